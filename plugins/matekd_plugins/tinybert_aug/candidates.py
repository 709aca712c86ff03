"""Replacement candidates for each word of a text, predicted in batches by a masked language model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench import Context, Encoded
from matekd_plugins.eda.synonym_lookup import STOP_WORDS

WORD = re.compile(r"\w+")
TEXTS_PER_BLOCK = 256  # texts whose masked words are sorted by length together: little padding, little memory
# Bounds on one forward pass of the generator: padded tokens, and rows of vocabulary logits.
MAX_TOKENS, MAX_ROWS = 8192, 256


@dataclass(frozen=True, slots=True)
class Slot:
    """A replaceable word of a text, from character `start` to `stop`, with its candidates (at least one)."""

    start: int
    stop: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaskedWord:
    """A word of text number `text_index` with its masked input: position `at` of `ids` is the mask token."""

    text_index: int
    start: int
    stop: int
    ids: list[int]
    types: list[int] | None
    at: int


class Candidates:
    """The generator's `top_k` most probable tokens at each word's position, those that are whole words.

    The generator's input is the text with one word masked and, as second segment, the unmasked text (Jiao et al.
    2020, algorithm 1 and the released code). It predicts in eval mode, and its cost is booked.

    Deviations from the paper: a word of several pieces gets its candidates in the same way, as one mask, not from
    GloVe vectors. The masked language model is the study's generator, not BERT-base.
    """

    def __init__(self, context: Context, top_k: int) -> None:
        self._context, self._top_k = context, top_k
        mask = context.student_tokens.mask
        if mask is None:
            raise ValueError("the student's tokenizer has no mask token")
        self._mask = mask
        # prepare() gives the model the run's precision and books its passes. The optimizer it asks for steps nothing.
        self._model = context.prepare(
            FrozenMaskedLM(context.masked_lm()),
            lambda weights: torch.optim.SGD(weights, lr=0.0),
            name="generator",
        )
        self._words: dict[tuple[int, str], str | None] = {}

    def find(self, texts: Sequence[str]) -> dict[str, tuple[Slot, ...]]:
        """Find the replaceable words of each text, in the order of the text."""
        slots_by_text: dict[str, tuple[Slot, ...]] = {}
        for start in range(0, len(texts), TEXTS_PER_BLOCK):
            block = texts[start : start + TEXTS_PER_BLOCK]
            slots: list[list[Slot]] = [[] for _ in block]
            masked_words = [
                masked for index, text in enumerate(block) for masked in self._masked_words(index, text)
            ]
            for batch in _batches(masked_words):
                for masked, ids in zip(batch, self._predict(batch), strict=True):
                    words = self._whole_words(block[masked.text_index], masked, ids)
                    if words:
                        slots[masked.text_index].append(Slot(masked.start, masked.stop, words))
            for text, text_slots in zip(block, slots, strict=True):
                slots_by_text[text] = tuple(sorted(text_slots, key=lambda slot: slot.start))
        return slots_by_text

    def _masked_words(self, index: int, text: str) -> Iterator[MaskedWord]:
        """Mask each word that consists of letters and is no stop word, one at a time.

        Words beyond the length at which the pair (text, text) is cut are left out.
        """
        pair = self._context.encode((text, text)).student
        positions = _first_segment(pair)
        pieces = [pair.ids[position] for position in positions]
        for match in WORD.finditer(text):
            word = match.group()
            if len(word) < 2 or not word.isalpha() or word.lower() in STOP_WORDS:
                continue
            before, through = self._pieces(text[: match.start()].rstrip()), self._pieces(text[: match.end()])
            if not len(before) < len(through) <= len(pieces):
                continue
            if pieces[: len(before)] != before or pieces[: len(through)] != through:
                continue  # the tokenizer splits this word differently within the text
            start, stop = positions[len(before)], positions[len(through) - 1] + 1
            types = pair.types and [*pair.types[: start + 1], *pair.types[stop:]]
            ids = [*pair.ids[:start], self._mask, *pair.ids[stop:]]
            yield MaskedWord(index, match.start(), match.end(), ids, types, start)

    def _pieces(self, text: str) -> list[int]:
        """Return the token ids of a text on its own, without special tokens."""
        encoded = self._context.encode((text,)).student
        return [token for token, special in zip(encoded.ids, encoded.special, strict=True) if not special]

    @torch.no_grad()
    def _predict(self, batch: Sequence[MaskedWord]) -> list[list[int]]:
        """Predict the most probable token ids of each masked word, the best first."""
        device = self._context.device
        length = max(len(masked.ids) for masked in batch)
        ids = _padded([masked.ids for masked in batch], length, self._context.student_tokens.pad)
        mask = _padded([[1] * len(masked.ids) for masked in batch], length, 0)
        types = None  # the model has no token types
        if batch[0].types is not None:
            types = _padded([masked.types or [] for masked in batch], length, 0).to(device)
        at = torch.arange(length) == torch.tensor([[masked.at] for masked in batch])
        logits: Tensor = self._model(ids.to(device), mask.to(device), types, at.to(device))
        best: list[list[int]] = logits.topk(min(self._top_k, logits.shape[-1])).indices.tolist()
        return best

    def _whole_words(self, text: str, masked: MaskedWord, ids: Sequence[int]) -> tuple[str, ...]:
        """Return the whole words among token ids; the original word, if predicted, keeps its case."""
        lead = " " if text[masked.start - 1 : masked.start].isspace() else ""
        original = text[masked.start : masked.stop]
        words = [word for token in ids if (word := self._word(token, lead))]
        return tuple(original if word == original.lower() else word for word in words)

    def _word(self, token: int, lead: str) -> str | None:
        """Decode a token as a word after `lead`; None for special tokens and for pieces that continue a word."""
        key = token, lead
        if key not in self._words:
            word = self._context.decode([token]).strip()
            self._words[key] = word if word and self._pieces(lead + word) == [token] else None
        return self._words[key]


class FrozenMaskedLM(nn.Module):
    """A masked language model that stays in eval mode and gets no gradients."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network.requires_grad_(False)
        self.train()  # that is, eval mode: see below

    def train(self, mode: bool = True) -> FrozenMaskedLM:
        """Stay in eval mode, whatever `mode` is."""
        return super().train(False)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, at: Tensor) -> Tensor:
        """Return vocabulary logits [N, V] at the N true positions of `at` [B, L]."""
        logits: Tensor = self.network(ids, mask, types, at)
        return logits

    def flops(self, kind: Any) -> Any:
        """Return the FLOPs of a pass, as the wrapped model counts them."""
        return self.network.flops(kind)

    def book(self, meter: Any, name: str, *inputs: Any) -> None:
        """Book one pass, as the wrapped model does."""
        self.network.book(meter, name, *inputs)


def _first_segment(pair: Encoded) -> list[int]:
    """Return the positions of the first segment's tokens: the first run without special tokens."""
    start = next((at for at, special in enumerate(pair.special) if not special), len(pair.ids))
    stop = next((at for at in range(start, len(pair.ids)) if pair.special[at]), len(pair.ids))
    return list(range(start, stop))


def _batches(masked_words: list[MaskedWord]) -> Iterator[list[MaskedWord]]:
    """Group masked words of similar length into batches within the bounds of one pass."""
    batch: list[MaskedWord] = []
    # Sorted by length, so the last one of a batch is its longest and sets the padded length.
    for masked in sorted(masked_words, key=lambda masked: len(masked.ids)):
        if batch and (len(batch) == MAX_ROWS or (len(batch) + 1) * len(masked.ids) > MAX_TOKENS):
            yield batch
            batch = []
        batch.append(masked)
    if batch:
        yield batch


def _padded(rows: Sequence[Sequence[int]], length: int, fill: int) -> Tensor:
    """Pad rows with `fill` to one tensor [B, L]."""
    return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows])
