"""What a masked language model expects in the place of each word of a text, asked for in batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench import Context, Encoded
from matekd_plugins.eda.lexicon import STOP_WORDS

WORD = re.compile(r"\w+")
TEXTS = 256  # texts whose questions are sorted by length together: little padding, little memory
TOKENS, ROWS = 8192, 256  # bounds on one pass of the generator: padded tokens, and rows of vocabulary logits


@dataclass(frozen=True, slots=True)
class Slot:
    """A word of a text, from character `start` to `stop`, and the words that may stand there (at least one)."""

    start: int
    stop: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A word of text number `text` with its masked input: the position `at` of `ids` shows the mask token."""

    text: int
    start: int
    stop: int
    ids: list[int]
    types: list[int] | None
    at: int


class Candidates:
    """The generator's `most` probable tokens in the place of each word, as far as they are whole words.

    Its input is the text with one word masked and, as second segment, the text as it is (Jiao et al. 2020,
    algorithm 1 and the released code). It predicts in eval mode, and what that costs is booked.
    """

    def __init__(self, context: Context, most: int) -> None:
        self._context, self._most = context, most
        mask = context.student_tokens.mask
        if mask is None:
            raise ValueError("the student's tokenizer has no mask token")
        self._mask = mask
        self._model = context.prepare(
            Frozen(context.masked_lm()), lambda weights: torch.optim.SGD(weights, lr=0.0), name="generator"
        )
        self._words: dict[tuple[int, str], str | None] = {}

    def find(self, texts: Sequence[str]) -> dict[str, tuple[Slot, ...]]:
        """The slots of each text, in the order of its words."""
        found: dict[str, tuple[Slot, ...]] = {}
        for start in range(0, len(texts), TEXTS):
            block = texts[start : start + TEXTS]
            slots: list[list[Slot]] = [[] for _ in block]
            questions = [ask for number, text in enumerate(block) for ask in self._questions(number, text)]
            for batch in _batches(questions):
                for ask, ids in zip(batch, self._predict(batch), strict=True):
                    words = self._usable(block[ask.text], ask, ids)
                    if words:
                        slots[ask.text].append(Slot(ask.start, ask.stop, words))
            for text, its in zip(block, slots, strict=True):
                found[text] = tuple(sorted(its, key=lambda slot: slot.start))
        return found

    def _questions(self, number: int, text: str) -> Iterator[Question]:
        """One for each word that is no stop word; none for words beyond the length at which pairs are cut."""
        pair = self._context.encode((text, text)).student
        first = _first_segment(pair)
        pieces = [pair.ids[position] for position in first]
        for match in WORD.finditer(text):
            word = match.group()
            if len(word) < 2 or not word.isalpha() or word.lower() in STOP_WORDS:
                continue
            before, through = self._pieces(text[: match.start()].rstrip()), self._pieces(text[: match.end()])
            if not len(before) < len(through) <= len(pieces):
                continue
            if pieces[: len(before)] != before or pieces[: len(through)] != through:
                continue  # a tokenizer that reads this word otherwise than alone
            start, stop = first[len(before)], first[len(through) - 1] + 1
            types = pair.types and [*pair.types[: start + 1], *pair.types[stop:]]
            ids = [*pair.ids[:start], self._mask, *pair.ids[stop:]]
            yield Question(number, match.start(), match.end(), ids, types, start)

    def _pieces(self, text: str) -> list[int]:
        """The ids of a text alone, special tokens left out."""
        encoded = self._context.encode((text,)).student
        return [token for token, special in zip(encoded.ids, encoded.special, strict=True) if not special]

    @torch.no_grad()
    def _predict(self, batch: Sequence[Question]) -> list[list[int]]:
        """The most probable token ids of each question, the best first."""
        device = self._context.device
        length = max(len(ask.ids) for ask in batch)
        ids = _padded([ask.ids for ask in batch], length, self._context.student_tokens.pad)
        mask = _padded([[1] * len(ask.ids) for ask in batch], length, 0)
        types = None
        if batch[0].types is not None:
            types = _padded([ask.types or [] for ask in batch], length, 0).to(device)
        at = torch.arange(length) == torch.tensor([[ask.at] for ask in batch])
        logits: Tensor = self._model(ids.to(device), mask.to(device), types, at.to(device))
        best: list[list[int]] = logits.topk(min(self._most, logits.shape[-1])).indices.tolist()
        return best

    def _usable(self, text: str, ask: Question, ids: Sequence[int]) -> tuple[str, ...]:
        """The whole words among tokens; the text's own word as it is written there."""
        lead = " " if text[ask.start - 1 : ask.start].isspace() else ""
        own = text[ask.start : ask.stop]
        words = [word for token in ids if (word := self._word(token, lead))]
        return tuple(own if word == own.lower() else word for word in words)

    def _word(self, token: int, lead: str) -> str | None:
        """A token as a word after `lead`; None for special tokens and for what only continues a word."""
        key = token, lead
        if key not in self._words:
            word = self._context.decode([token]).strip()
            self._words[key] = word if word and self._pieces(lead + word) == [token] else None
        return self._words[key]


class Frozen(nn.Module):
    """The generator in eval mode, without gradients; its cost is booked as it books it itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Frozen:
        """Stays in eval mode, whatever is asked for."""
        return super().train(False)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, at: Tensor) -> Tensor:
        """Vocabulary logits [N, V] at the N true positions of `at` [B, L]."""
        logits: Tensor = self.network(ids, mask, types, at)
        return logits

    def flops(self, kind: Any) -> Any:
        """FLOPs of a pass through the base model."""
        return self.network.flops(kind)

    def book(self, meter: Any, name: str, *inputs: Any) -> None:
        """Books one pass."""
        self.network.book(meter, name, *inputs)


def _first_segment(pair: Encoded) -> list[int]:
    """The positions of the first segment's tokens: the first run that is not special."""
    start = next((at for at, special in enumerate(pair.special) if not special), len(pair.ids))
    stop = next((at for at in range(start, len(pair.ids)) if pair.special[at]), len(pair.ids))
    return list(range(start, stop))


def _batches(questions: list[Question]) -> Iterator[list[Question]]:
    """Questions of similar length together, within the bounds of one pass."""
    batch: list[Question] = []
    for ask in sorted(questions, key=lambda ask: len(ask.ids)):  # so the last one of a batch is its longest
        if batch and (len(batch) == ROWS or (len(batch) + 1) * len(ask.ids) > TOKENS):
            yield batch
            batch = []
        batch.append(ask)
    if batch:
        yield batch


def _padded(rows: Sequence[Sequence[int]], length: int, fill: int) -> Tensor:
    """Rows as one tensor [B, L]."""
    return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows])
