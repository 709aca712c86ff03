"""How each family reads its input: token types, word embeddings, and the token that a classifier answers from."""

from __future__ import annotations

import inspect
import logging
import re
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def text_inputs(model: Any, mask: Tensor, types: Tensor | None) -> dict[str, Tensor]:
    """Return a model's inputs besides ids or embeddings: attention mask and, if it takes them, token types [B, L].

    Teacher and student may share a vocabulary and still differ in token types (BERT and DistilBERT).
    """
    inputs = {"attention_mask": mask}
    if types is not None and takes_token_types(model):
        inputs["token_type_ids"] = types
    if model.config.model_type == "longformer" and hasattr(model, "classifier"):
        # A Longformer classifier attends from its first token to all. Given embeddings it fails to set this itself.
        inputs["global_attention_mask"] = F.one_hot(torch.zeros_like(mask[:, 0]), mask.shape[1])
    return inputs


def takes_token_types(model: Any) -> bool:
    """Return True if a model distinguishes at least two token types."""
    if "token_type_ids" not in inspect.signature(type(model).forward).parameters:
        return False
    # XLNet compares the types of two tokens and has no table of them.
    return model.config.model_type == "xlnet" or (getattr(model.config, "type_vocab_size", 0) or 0) >= 2


def word_table(model: Any) -> Any:
    """Return the table of word embeddings as methods use it: called with ids, or as a matrix `weight`.

    Gemma and others scale what they look up, so that the rows of their weight are not the embeddings.
    """
    table = model.get_input_embeddings()
    return table if type(table).forward is nn.Embedding.forward else _ScaledTable(table)


class _ScaledTable:
    """A table of word embeddings whose module changes what it looks up; `weight` [V, width] includes the change."""

    def __init__(self, table: nn.Module) -> None:
        self._table = table

    def __call__(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self._table(ids)
        return embedded

    @property
    def weight(self) -> Tensor:
        """The embedding of every token."""
        rows: int = self._table.num_embeddings  # type: ignore[assignment]
        return self(torch.arange(rows, device=next(self._table.parameters()).device))


POSITION_TABLES = re.compile(
    r"(^|\.)(position_embeddings|embed_positions|wpe|position_embedding|positions_embed)$"
)


def position_count(model: Any) -> int | None:
    """Return how many tokens a row may have, None if positions are computed without a table."""
    counts = [
        # RoBERTa counts positions from after that of padding; OPT and BART store where they begin.
        module.num_embeddings
        - getattr(module, "offset", 0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and POSITION_TABLES.search(name)
    ]
    return min(counts, default=None)


def pads_left(model: Any) -> bool:
    """Return True if the model answers from the last position of the batch, which then must hold a token (XLNet)."""
    return hasattr(model, "sequence_summary") and getattr(model.config, "summary_type", None) == "last"


def reads_last_token(model: Any) -> bool:
    """Return True if the classifier answers from a row's last token: decoders and XLNet."""
    return isinstance(getattr(model, "score", None), nn.Linear) or pads_left(model)


def _is_true(record: logging.LogRecord) -> bool:
    """Return False for transformers' warning that it finds no padding among embeddings: the mask shows it."""
    return "will not detect padding tokens" not in record.getMessage()


def read_last_token_by_mask(model: Any) -> None:
    """Make a classifier that answers from a row's last token find it by the attention mask.

    transformers looks for it among the ids, by the padding token, which may be a token of the text as well. Given
    embeddings, or padding where XLNet expects none, it takes the last position. Other models are left unchanged.
    """
    if not reads_last_token(model):
        return
    last: list[Tensor] = []  # the index [B] of each row's last token, during a forward pass

    def find(module: nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        last.clear()
        if (mask := named.get("attention_mask")) is not None:
            last.append((mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(dim=1))

    def read(positions: Tensor) -> Tensor:
        """Copy the last token's values [B, L, n] to all positions, so that any position gives them."""
        if not last:
            return positions
        rows = torch.arange(len(positions), device=positions.device)
        return positions[rows, last[0]].unsqueeze(1).expand_as(positions)

    logging.getLogger(type(model).forward.__module__).addFilter(_is_true)
    model.register_forward_pre_hook(find, with_kwargs=True)
    if pads_left(model):
        model.sequence_summary.register_forward_pre_hook(
            lambda module, inputs: (read(inputs[0]), *inputs[1:])
        )
    else:
        model.score.register_forward_hook(lambda module, inputs, logits: read(logits))
