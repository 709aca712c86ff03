"""Turn text into token ids, and check that models share a vocabulary."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.errors import CheckpointError, first_line
from matekd_bench.files.hashing import digest
from matekd_bench.files.reading import read_json
from matekd_bench.gc_pause import gc_paused
from matekd_bench.methods.context import Tokens
from matekd_bench.methods.rows import Encoded


class Encoder:
    """The tokenizer of a checkpoint, which cuts texts at `max_length` tokens (special tokens included)."""

    def __init__(self, checkpoint: Checkpoint, max_length: int) -> None:
        self.max_length, self.sha256 = max_length, checkpoint.sha256
        self._tokenizer: Any = load_tokenizer(checkpoint)
        self.tokens = describe_tokens(self._tokenizer)
        self.has_token_types = "token_type_ids" in self._tokenizer.model_input_names

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> list[Encoded]:
        """Encode texts or pairs; all rows must have the same number of segments.

        A pair that is too long loses tokens from its longer segment, one at a time.
        """
        if not texts:
            return []
        columns = [list(column) for column in zip(*texts, strict=True)]
        encoding = self._tokenizer(
            *columns,
            truncation=True,
            max_length=self.max_length,
            return_special_tokens_mask=True,
            return_token_type_ids=self.has_token_types,
            return_attention_mask=False,  # follows from the lengths when rows are padded
        )
        all_types = encoding["token_type_ids"] if self.has_token_types else [None] * len(texts)
        rows = zip(encoding["input_ids"], all_types, encoding["special_tokens_mask"], strict=True)
        return [
            Encoded(ids=ids, types=types, special=[bool(flag) for flag in special])
            if ids
            else self._empty_row
            for ids, types, special in rows
        ]

    @property
    def _empty_row(self) -> Encoded:
        """A row for an empty text of a tokenizer that adds no tokens: a model needs one to answer from."""
        return Encoded([self.tokens.pad], [0] if self.has_token_types else None, [True])

    @property
    def padding_note(self) -> str | None:
        """A note for the user if the tokenizer has no padding token of its own, else None."""
        if self._tokenizer.init_kwargs.get("pad_token") is not None:
            return None
        return (
            f"no padding token of its own: rows are padded with its end token '{self._tokenizer.eos_token}'"
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Decode token ids to text, without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def save(self, folder: Any) -> None:
        """Write the tokenizer's files into a folder."""
        self._tokenizer.save_pretrained(folder)

    def export(self, folder: Any, *, token_types: bool, pads_left: bool) -> None:
        """Write the tokenizer for use outside the suite, with the same `max_length`.

        Without `token_types` it returns none, because the model that it belongs to takes none. It pads on the side that
        the model was trained for (`pads_left`): GPT-2, for one, counts positions from the first column.
        """
        tokenizer = copy.deepcopy(self._tokenizer)  # runs share this encoder
        tokenizer.model_max_length = self.max_length
        tokenizer.padding_side = "left" if pads_left else "right"
        if not token_types:
            names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
            tokenizer.model_input_names = names
        tokenizer.save_pretrained(folder)


@lru_cache(maxsize=8)
def encoder_of(checkpoint: Checkpoint, max_length: int) -> Encoder:
    """Return the encoder of a checkpoint, the same object for all runs of a process."""
    return Encoder(checkpoint, max_length)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the fast tokenizer of a checkpoint.

    Raises CheckpointError if it cannot be loaded, or has no vocabulary or no padding token.
    """
    with gc_paused():
        from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint.path, use_fast=True, local_files_only=True, trust_remote_code=False
        )
        special = tokenizer.all_special_ids  # not every damage is found before its first use
    except Exception as error:  # the libraries raise errors of many kinds for files that they cannot read
        reason = first_line(error)
        raise CheckpointError(f"the tokenizer of '{checkpoint.id}' can't be loaded: {reason}") from None
    # Without vocabulary files transformers silently makes a tokenizer with special tokens only.
    if len(tokenizer) <= len(special):
        raise CheckpointError(
            f"the tokenizer of '{checkpoint.id}' can't be loaded: its folder holds no vocabulary."
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise CheckpointError(
                f"the tokenizer of '{checkpoint.id}' has neither a padding token nor an end token.",
                hint="Set pad_token in its tokenizer_config.json.",
            )
        # Decoders are usually fine-tuned in this way. Padding is never read, because the mask hides it.
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def describe_tokens(tokenizer: Any) -> Tokens:
    """Describe a tokenizer for methods; the vocabulary is given as a digest."""
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
    """Describe a checkpoint's tokenizer for methods."""
    return describe_tokens(load_tokenizer(checkpoint))


def has_mask_token(checkpoint: Checkpoint) -> bool:
    """Return True if tokenizer_config.json names a mask token; False if it cannot be read.

    The tokenizer itself is not loaded, which would take longer.
    """
    try:
        settings = read_json(checkpoint.path / "tokenizer_config.json", CheckpointError)
    except CheckpointError:
        return False
    return isinstance(settings, dict) and bool(settings.get("mask_token"))


def check_vocabularies(roles: dict[str, tuple[Checkpoint, Tokens]], reason: str) -> None:
    """Raise CheckpointError unless all models share one vocabulary; the message names two that differ.

    `roles` maps a role, such as "teacher", to its checkpoint and tokens. `reason` names what needs one vocabulary.
    """
    (first_role, (first, first_tokens)), *others = roles.items()
    for role, (checkpoint, tokens) in others:
        if tokens.vocabulary != first_tokens.vocabulary:
            raise CheckpointError(
                f"{reason} needs one vocabulary, but the {first_role} '{first.id}' ({first_tokens.size} tokens) and "
                f"the {role} '{checkpoint.id}' ({tokens.size} tokens) have different ones.",
                hint="Choose models of one family, or methods that work on text (such as eda).",
            )
