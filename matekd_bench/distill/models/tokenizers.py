"""From text to token ids: one encoder per tokenizer, and the vocabulary's fingerprint."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.errors import CheckpointError
from matekd_bench.files.hashing import digest
from matekd_bench.gc_pause import gc_paused
from matekd_bench.methods.context import Tokens
from matekd_bench.methods.rows import Encoded


class Encoder:
    """A checkpoint's tokenizer, cutting at `max_length` tokens (special tokens included)."""

    def __init__(self, checkpoint: Checkpoint, max_length: int) -> None:
        self.max_length = max_length
        self._tokenizer: Any = load_tokenizer(checkpoint)
        self.tokens = describe_tokens(self._tokenizer)
        self.typed = "token_type_ids" in self._tokenizer.model_input_names

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> list[Encoded]:
        """Encodes texts or pairs; all rows have the same number of segments.

        A pair that is too long is cut from its longer segment, token by token.
        """
        if not texts:
            return []
        columns = [list(column) for column in zip(*texts, strict=True)]
        out = self._tokenizer(
            *columns,
            truncation=True,
            max_length=self.max_length,
            return_special_tokens_mask=True,
            return_token_type_ids=self.typed,
            return_attention_mask=False,
        )
        types = out["token_type_ids"] if self.typed else [None] * len(texts)
        return [
            Encoded(ids=ids, types=kinds, special=[bool(flag) for flag in special])
            for ids, kinds, special in zip(out["input_ids"], types, out["special_tokens_mask"], strict=True)
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def save(self, folder: Any) -> None:
        """Writes the tokenizer's files into a folder."""
        self._tokenizer.save_pretrained(folder)

    def save_for(self, folder: Any, *, typed: bool) -> None:
        """Writes the tokenizer for use outside: it cuts as here, and gives token types only if the model is `typed`."""
        tokenizer = copy.deepcopy(self._tokenizer)
        tokenizer.model_max_length = self.max_length
        if not typed:
            names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
            tokenizer.model_input_names = names
        tokenizer.save_pretrained(folder)


@lru_cache(maxsize=8)
def encoder_of(checkpoint: Checkpoint, max_length: int) -> Encoder:
    """The encoder of a checkpoint: one for all runs of a process."""
    return Encoder(checkpoint, max_length)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The fast tokenizer of a checkpoint; CheckpointError where it has none that works."""
    with gc_paused():
        from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint.path, use_fast=True, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"the tokenizer of '{checkpoint.id}' can't be loaded: {reason}") from None
    # Where there are no files transformers makes a tokenizer that knows no word, without saying so.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise CheckpointError(
            f"the tokenizer of '{checkpoint.id}' can't be loaded: its folder holds no vocabulary."
        )
    if tokenizer.pad_token_id is None:
        raise CheckpointError(f"the tokenizer of '{checkpoint.id}' has no padding token.")
    return tokenizer


def describe_tokens(tokenizer: Any) -> Tokens:
    """What methods may know of a tokenizer, its vocabulary as a digest."""
    vocabulary = tokenizer.get_vocab()
    return Tokens(
        size=len(tokenizer),
        mask=tokenizer.mask_token_id,
        pad=tokenizer.pad_token_id,
        special=frozenset(tokenizer.all_special_ids),
        vocabulary=digest(vocabulary),
    )


@lru_cache(maxsize=64)
def tokens_of(checkpoint: Checkpoint) -> Tokens:
    """What methods may know of a checkpoint's tokenizer."""
    return describe_tokens(load_tokenizer(checkpoint))


def names_mask(checkpoint: Checkpoint) -> bool:
    """Whether the settings beside a checkpoint's tokenizer name a mask token; False where they cannot be read."""
    try:
        settings = json.loads((checkpoint.path / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and bool(settings.get("mask_token"))


def check_vocabularies(roles: dict[str, tuple[Checkpoint, Tokens]], reason: str) -> None:
    """Raises CheckpointError unless all these models share one vocabulary; names the two that differ."""
    (first, (checkpoint, tokens)), *others = roles.items()
    for role, (other, its) in others:
        if its.vocabulary != tokens.vocabulary:
            raise CheckpointError(
                f"{reason} needs one vocabulary, but the {first} '{checkpoint.id}' ({tokens.size} tokens) and "
                f"the {role} '{other.id}' ({its.size} tokens) have different ones.",
                hint="Choose models of one family, or methods that work on text (such as eda).",
            )
