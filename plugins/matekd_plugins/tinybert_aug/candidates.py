"""Replacement candidates for each word of a text, predicted in batches by a masked language model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench import Context, Encoded
from matekd_plugins.eda.synonym_lookup import STOP_WORDS

WORD = re.compile(r"\w+")
# Bounds on one forward pass of the generator: padded tokens, and rows of vocabulary logits.
MAX_TOKENS, MAX_ROWS = 8192, 256
MAX_ANSWERS = 200_000  # passes whose answers a process keeps, about a kilobyte each

# Answers in this process, by the digest of a generator's weights and inputs. A text under another seed of the study
# or in another variant is thus predicted only once.
_answers: dict[str, Tensor] = {}


@dataclass(frozen=True, slots=True)
class Slot:
    """A replaceable word of a text, from character `start` to `stop`, with its candidates (at least one)."""

    start: int
    stop: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaskedWord:
    """A word of a text with its masked input: position `at` of `ids` is the mask token."""

    start: int
    stop: int
    ids: list[int]
    types: list[int] | None
    at: int


class Candidates:
    """The generator's `top_k` most probable tokens at each word's position, limited to whole words.

    The generator's input is the text with one word masked and, as second segment, the unmasked text (Jiao et al.
    2020, algorithm 1 and the released code). It predicts in eval mode. Its cost is booked in every run, even if an
    earlier run of this process has the answer, so that the cost of a run does not depend on the runs before it.

    A pass holds the words of one text only, so its answers depend on nothing but that text.

    Deviations from the paper: a word of several pieces gets its candidates in the same way, as one mask, not from
    GloVe vectors. The masked language model is the study's generator, not BERT-base.
    """

    def __init__(self, context: Context, top_k: int) -> None:
        self._context = context
        mask = context.student_tokens.mask
        if mask is None:
            raise ValueError("the student's tokenizer has no mask token")
        self._mask = mask
        # prepare() gives the model the run's precision and books its passes. The optimizer it asks for never steps.
        self._model = context.prepare(
            FrozenMaskedLM(context.masked_lm(), top_k),
            lambda weights: torch.optim.SGD(weights, lr=0.0),
            name="generator",
        )
        self._words: dict[tuple[int, str], str | None] = {}

    def find(self, text: str) -> tuple[Slot, ...]:
        """Find the replaceable words of a text, in their order."""
        slots = [
            Slot(masked.start, masked.stop, words)
            for batch in _batches(list(self._masked_words(text)))
            for masked, ids in zip(batch, self._predict(batch), strict=True)
            if (words := self._whole_words(text, masked, ids))
        ]
        return tuple(sorted(slots, key=lambda slot: slot.start))

    def _masked_words(self, text: str) -> Iterator[MaskedWord]:
        """Mask each word that consists of letters and is no stop word, one at a time.

        Words beyond the length at which the pair (text, text) is cut are skipped.
        """
        end, through = 0, list[int]()  # of the last word: its last character, and the tokens up to it
        pair = self._context.encode((text, text)).student
        positions = _first_segment(pair)
        pieces = [pair.ids[position] for position in positions]
        for match in WORD.finditer(text):
            word = match.group()
            if len(word) < 2 or not word.isalpha() or word.lower() in STOP_WORDS:
                continue
            before = (
                through
                if text[end : match.start()].isspace()
                else self._pieces(text[: match.start()].rstrip())
            )
            if len(before) >= len(pieces):
                return  # all further words are beyond the cut: reading their tokens would take quadratic time
            end, through = match.end(), self._pieces(text[: match.end()])
            if not len(before) < len(through) <= len(pieces):
                continue
            if pieces[: len(before)] != before or pieces[: len(through)] != through:
                continue  # the tokenizer splits this word differently within the text
            start, stop = positions[len(before)], positions[len(through) - 1] + 1
            types = pair.types and [*pair.types[: start + 1], *pair.types[stop:]]
            ids = [*pair.ids[:start], self._mask, *pair.ids[stop:]]
            yield MaskedWord(match.start(), match.end(), ids, types, start)

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
        best: list[list[int]] = self._model(ids.to(device), mask.to(device), types, at.to(device)).tolist()
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
    """The most probable tokens of a masked language model that stays in eval mode and gets no gradients.

    Answers are kept in this process. They are looked up here, below `Context.prepare`, which books every pass.
    """

    def __init__(self, network: nn.Module, top_k: int) -> None:
        super().__init__()
        self.network: Any = network.requires_grad_(False)
        self.top_k = top_k
        self.train()  # which sets eval mode: see below

    def train(self, mode: bool = True) -> FrozenMaskedLM:
        """Stay in eval mode, whatever `mode` is."""
        return super().train(False)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, at: Tensor) -> Tensor:
        """Return the ids of the most probable tokens [N, K] at the N true positions of `at` [B, L], the best first."""
        key = _digest(self._weights_digest, ids, mask, types, at, self.top_k, _number_format(ids.device))
        if (best := _answers.get(key)) is None:
            logits: Tensor = self.network(ids, mask, types, at)
            best = logits.topk(min(self.top_k, logits.shape[-1])).indices.to("cpu", torch.int32)
            if len(_answers) < MAX_ANSWERS:
                _answers[key] = best
        return best

    @cached_property
    def _weights_digest(self) -> str:
        """A digest of the frozen network and its weights, on their device."""
        return _digest(
            repr(self.network),
            *(part for name, weight in self.state_dict().items() for part in (name, weight)),
        )

    def flops(self, kind: Any) -> Any:
        """Return the FLOPs of a pass, as the wrapped model counts them."""
        return self.network.flops(kind)

    def book(self, meter: Any, name: str, *inputs: Any) -> None:
        """Book one pass, as the wrapped model does."""
        self.network.book(meter, name, *inputs)


def _digest(*parts: Any) -> str:
    """Return the SHA-256 of tensors, with their shapes and devices, and of other values."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{tuple(part.shape)} {part.dtype} {part.device}".encode())
            part = part.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
        digest.update(part if hasattr(part, "tobytes") else f"{part};".encode())
    return digest.hexdigest()


def _number_format(device: torch.device) -> str:
    """Name the type in which matrices are multiplied on a device."""
    return str(torch.get_autocast_dtype(device.type)) if torch.is_autocast_enabled(device.type) else "float32"


def _first_segment(pair: Encoded) -> list[int]:
    """Return the positions of the first segment's tokens: the first run without special tokens."""
    start = next((at for at, special in enumerate(pair.special) if not special), len(pair.ids))
    stop = next((at for at in range(start, len(pair.ids)) if pair.special[at]), len(pair.ids))
    return list(range(start, stop))


def _batches(masked_words: list[MaskedWord]) -> Iterator[list[MaskedWord]]:
    """Group the masked words of a text by length into batches within the bounds of one pass."""
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
