"""From a sentence encoder to a language model that reads the exchange both ways and writes causally.

The mask does it (Dong et al. 2019, UniLM): tokens of the exchange see each other, what is written sees all before it.
So one set of pretrained weights reads like the encoder it was and writes like a decoder.
"""

# transformers and torch type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, BertConfig, BertModel, BertPreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class PrefixLMConfig(BertConfig):
    """`prefix_end_token_ids`: the tokens before the first of which a text is read both ways."""

    model_type = "prefix-bert"

    def __init__(self, prefix_end_token_ids: Sequence[int] = (), **options: Any) -> None:
        super().__init__(**options)
        self.prefix_end_token_ids = list(prefix_end_token_ids)


class PrefixLM(BertPreTrainedModel):
    """BERT with its word embeddings as output projection. What sees what is said by `attention_mask` [B, 1, T, T]."""

    _tied_weights_keys = {"lm_head.weight": "bert.embeddings.word_embeddings.weight"}  # noqa: RUF012 - as transformers has it
    base_model_prefix = "bert"
    config_class = PrefixLMConfig

    def __init__(self, config: PrefixLMConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        self.lm_head = new_embeddings

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        **_: Any,
    ) -> CausalLMOutput:
        """Logits [B, T, vocabulary]; without a mask every token sees every other."""
        hidden = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids
        ).last_hidden_state
        return CausalLMOutput(logits=self.lm_head(hidden))


AutoConfig.register(PrefixLMConfig.model_type, PrefixLMConfig)
AutoModelForCausalLM.register(PrefixLMConfig, PrefixLM)


def prefix_lm(
    encoder: BertModel,
    rows: Sequence[int | None],
    *,
    context_length: int,
    end_id: int,
    prefix_ends: Sequence[int],
    seed: int,
) -> PrefixLM:
    """`encoder` with another vocabulary: token i is the encoder's token `rows[i]`, or a new one where that is None.

    Positions beyond the encoder's own begin as copies of its first ones.
    """
    torch.manual_seed(seed)
    old: BertConfig = encoder.config
    config = PrefixLMConfig(
        prefix_ends,
        **{
            **{name: value for name, value in old.to_dict().items() if name != "model_type"},
            "vocab_size": len(rows),
            "max_position_embeddings": context_length,
            "type_vocab_size": 1,
            "pad_token_id": 0,
            "bos_token_id": None,
            "eos_token_id": end_id,
            "tie_word_embeddings": True,
            "architectures": ["PrefixLM"],
            "attention_probs_dropout_prob": 0.0,
        },
    )
    model = PrefixLM(config)
    state = dict(encoder.state_dict())
    words, places = state["embeddings.word_embeddings.weight"], state["embeddings.position_embeddings.weight"]
    known = torch.tensor([row is not None for row in rows])
    drawn = words.mean(dim=0) + words.std() * torch.randn(len(rows), words.shape[1])
    drawn[known] = words[torch.tensor([row for row in rows if row is not None])]
    state["embeddings.word_embeddings.weight"] = drawn
    state["embeddings.position_embeddings.weight"] = places[torch.arange(context_length) % len(places)]
    state["embeddings.token_type_embeddings.weight"] = state["embeddings.token_type_embeddings.weight"][:1]
    state.pop("embeddings.position_ids", None)
    missing, unexpected = model.bert.load_state_dict(state, strict=False)
    assert not [name for name in missing if "position_ids" not in name], missing
    assert not [name for name in unexpected if "pooler" not in name], unexpected
    return model
