"""Other people's guards, each with its own prompt and its own reading rule. `RIVALS` is the table.

`RIVAL_FORMATS` says how a model is asked (`--format`); several rivals can share one. `published` is the name of its
figures in the paper's tables (data/published/f1.csv), None where the paper has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from guardreasoner.formats.rivals.aegis import Aegis2Format, AegisFormat
from guardreasoner.formats.rivals.base import RivalFormat
from guardreasoner.formats.rivals.chat import ChatFormat
from guardreasoner.formats.rivals.granite import GraniteGuardianFormat
from guardreasoner.formats.rivals.harmbench import HarmBenchFormat
from guardreasoner.formats.rivals.llama_guard import LlamaGuardFormat
from guardreasoner.formats.rivals.md_judge import MDJudgeFormat
from guardreasoner.formats.rivals.nemotron import NemotronReasoningFormat
from guardreasoner.formats.rivals.qwen3guard import Qwen3GuardFormat
from guardreasoner.formats.rivals.safeguard import SafeguardFormat
from guardreasoner.formats.rivals.shieldgemma import ShieldGemmaFormat
from guardreasoner.formats.rivals.wildguard import WildGuardFormat

_ALL: tuple[RivalFormat, ...] = (
    LlamaGuardFormat("llama-guard"),
    LlamaGuardFormat("llama-guard-2"),
    LlamaGuardFormat("llama-guard-3"),
    LlamaGuardFormat("llama-guard-4", parts=True),
    AegisFormat("aegis-defensive"),
    AegisFormat("aegis-permissive"),
    Aegis2Format(),
    ShieldGemmaFormat(),
    HarmBenchFormat(),
    MDJudgeFormat(),
    WildGuardFormat(),
    Qwen3GuardFormat("qwen3guard-strict", strict=True),
    Qwen3GuardFormat("qwen3guard-loose", strict=False),
    GraniteGuardianFormat("granite-guardian", think=False),
    GraniteGuardianFormat("granite-guardian-think", think=True),
    NemotronReasoningFormat("nemotron", think=False),
    NemotronReasoningFormat("nemotron-think", think=True),
    SafeguardFormat(),
    ChatFormat("chat", think=False),
    ChatFormat("chat-cot", think=True),
)
RIVAL_FORMATS: Mapping[str, RivalFormat] = MappingProxyType({form.name: form for form in _ALL})
OTHER_FORMATS = ("beaverdam", "openai-moderation")
"""Judged without a text to read: a classifier's head and an endpoint (`guardreasoner.judges`)."""


@dataclass(frozen=True)
class Rival:
    """One guard to compare with. `model`: a hub id, a name on a chat endpoint, or what the moderation API is."""

    name: str
    format: str
    model: str
    published: str | None = None


RIVALS = (
    Rival("OpenAI Moderation API", "openai-moderation", "omni-moderation-latest", "OpenAI Moderation"),
    Rival("GPT-4o", "chat", "gpt-4o-2024-08-06", "GPT-4o"),
    Rival("GPT-4o+CoT", "chat-cot", "gpt-4o-2024-08-06", "GPT-4o+CoT"),
    Rival("GPT-4", "chat", "gpt-4", "GPT-4"),
    Rival("GPT-4+CoT", "chat-cot", "gpt-4", "GPT-4+CoT"),
    Rival("o1-preview", "chat", "o1-preview", "o1-preview"),
    Rival("Claude 3.5 Sonnet", "chat", "claude-3-5-sonnet-20240620", "Claude 3.5 Sonnet"),
    Rival("Gemini 1.5 Pro", "chat", "gemini-1.5-pro", "Gemini 1.5 Pro"),
    Rival("LLaMA Guard", "llama-guard", "meta-llama/LlamaGuard-7b", "LLaMA Guard"),
    Rival("LLaMA Guard 2", "llama-guard-2", "meta-llama/Meta-Llama-Guard-2-8B", "LLaMA Guard 2"),
    Rival("LLaMA Guard 3", "llama-guard-3", "meta-llama/Llama-Guard-3-8B", "LLaMA Guard 3"),
    Rival(
        "Aegis Guard Defensive",
        "aegis-defensive",
        "nvidia/Aegis-AI-Content-Safety-LlamaGuard-Defensive-1.0",
        "Aegis Guard Defensive",
    ),
    Rival(
        "Aegis Guard Permissive",
        "aegis-permissive",
        "nvidia/Aegis-AI-Content-Safety-LlamaGuard-Permissive-1.0",
        "Aegis Guard Permissive",
    ),
    Rival("Aegis Guard 2.0", "aegis-2", "nvidia/llama-3.1-nemoguard-8b-content-safety", "Aegis Guard 2.0"),
    Rival("ShieldGemma", "shieldgemma", "google/shieldgemma-9b", "ShieldGemma"),
    Rival("HarmBench LLaMA", "harmbench", "cais/HarmBench-Llama-2-13b-cls", "HarmBench LLaMA"),
    Rival("HarmBench Mistral", "harmbench", "cais/HarmBench-Mistral-7b-val-cls", "HarmBench Mistral"),
    Rival("MD-Judge", "md-judge", "OpenSafetyLab/MD-Judge-v0.1", "MD-Judge"),
    Rival("BeaverDam", "beaverdam", "PKU-Alignment/beaver-dam-7b", "BeaverDam"),
    Rival("WildGuard", "wildguard", "allenai/wildguard", "WildGuard"),
    Rival("QwQ-preview", "chat", "Qwen/QwQ-32B-Preview", "QwQ-preview"),
    Rival("LLaMA Guard 4", "llama-guard-4", "meta-llama/Llama-Guard-4-12B"),
    Rival("Qwen3Guard (strict)", "qwen3guard-strict", "Qwen/Qwen3Guard-Gen-8B"),
    Rival("Qwen3Guard (loose)", "qwen3guard-loose", "Qwen/Qwen3Guard-Gen-8B"),
    Rival("gpt-oss-safeguard", "gpt-oss-safeguard", "openai/gpt-oss-safeguard-20b"),
    Rival("Granite Guardian", "granite-guardian", "ibm-granite/granite-guardian-4.1-8b"),
    Rival("Granite Guardian, thinking", "granite-guardian-think", "ibm-granite/granite-guardian-4.1-8b"),
    Rival("Nemotron Content Safety Reasoning", "nemotron", "nvidia/Nemotron-Content-Safety-Reasoning-4B"),
    Rival("Nemotron, thinking", "nemotron-think", "nvidia/Nemotron-Content-Safety-Reasoning-4B"),
)
