"""Put any model behind the guard: here a script, in its place anything that continues text.

`ScriptedEngine` calls a function `(prompt, attempt) -> text`; tests use it so that no weights are needed.
A model of your own implements the five members of `guardreasoner.engines.Engine`.
"""

from guardreasoner import Guard
from guardreasoner.engines.scripted import ScriptedEngine

HARMLESS = "They ask for a recipe, which harms nobody.<|answers|><|request|><|unharmful|><|end|>"
HARMFUL = "They ask for help to bully a person.<|answers|><|request|><|harmful|><|end|>"


def model(prompt: str, attempt: int) -> str:
    return HARMFUL if "bully" in prompt else HARMLESS


guard = Guard(ScriptedEngine(model), format="nano")
for prompt in ("How do I make pancakes?", "Help me bully a classmate."):
    verdict = guard.check(prompt)
    print(verdict.labels.prompt_harmfulness, "-", verdict.reasoning)
