"""`nlpaug:NAME`: the word and character augmenters of the library nlpaug, e.g. `nlpaug:swap`."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from matekd_bench import Method, Params, Range, TextPerturbation, UsageError, hookimpl

if TYPE_CHECKING:
    from matekd_bench import Context

CITATION = "Ma 2019, nlpaug (software), https://github.com/makcedward/nlpaug"


class WordParams(Params):
    """Parameters of nlpaug's word augmenters, with nlpaug's names and defaults."""

    aug_p: float = Field(default=0.3, gt=0, le=1)
    """Share of a text's tokens that is edited."""
    aug_min: int = Field(default=1, ge=0, le=1000)
    """At least this many tokens are edited."""
    aug_max: int | None = Field(default=10, ge=1, le=1000)
    """At most this many tokens are edited; none: no bound."""
    segments: Literal["both", "first", "second"] = "both"
    """Which segments of a text pair are perturbed, each on its own."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> WordParams:
        _check_bounds("aug", self.aug_min, self.aug_max)
        return self


class CharParams(Params):
    """Parameters of nlpaug's character augmenters, with nlpaug's names and defaults."""

    aug_char_p: float = Field(default=0.3, gt=0, le=1)
    """Share of a chosen token's characters that is edited."""
    aug_char_min: int = Field(default=1, ge=0, le=1000)
    """At least this many characters of a chosen token are edited."""
    aug_char_max: int | None = Field(default=10, ge=1, le=1000)
    """At most this many characters of a chosen token are edited; none: no bound."""
    aug_word_p: float = Field(default=0.3, gt=0, le=1)
    """Share of a text's tokens that is chosen."""
    aug_word_min: int = Field(default=1, ge=0, le=1000)
    """At least this many tokens are chosen."""
    aug_word_max: int | None = Field(default=10, ge=1, le=1000)
    """At most this many tokens are chosen; none: no bound."""
    min_char: int = Field(default=4, ge=2, le=100)
    """Tokens with fewer characters are never chosen."""
    segments: Literal["both", "first", "second"] = "both"
    """Which segments of a text pair are perturbed, each on its own."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> CharParams:
        _check_bounds("aug_char", self.aug_char_min, self.aug_char_max)
        _check_bounds("aug_word", self.aug_word_min, self.aug_word_max)
        return self


class OcrParams(CharParams):
    """Parameters of nlpaug's OCR augmenter, whose defaults differ from those of the other character augmenters."""

    aug_char_min: int = Field(default=2, ge=0, le=1000)
    """At least this many characters of a chosen token are edited."""
    min_char: int = Field(default=1, ge=1, le=100)
    """Tokens with fewer characters are never chosen."""


class SplitParams(WordParams):
    """Parameters of nlpaug's SplitAug."""

    min_char: int = Field(default=4, ge=3, le=100)
    """Tokens with fewer characters are never chosen."""


def _check_bounds(name: str, minimum: int, maximum: int | None) -> None:
    if maximum is not None and minimum > maximum:
        raise ValueError(f"{name}_min ({minimum}) must not exceed {name}_max ({maximum})")


class NlpAug(TextPerturbation[WordParams | CharParams]):
    """One nlpaug augmenter that draws from a private random generator.

    `make` imports nlpaug and returns the augmenter for the given settings.
    """

    def __init__(self, params: WordParams | CharParams, context: Context, make: Callable[..., Any]) -> None:
        super().__init__(params, context)
        self.segments = params.segments
        self._augmenter = make(**params.model_dump(exclude={"segments"}))
        self._lock = threading.Lock()  # perturb() puts its generator into the shared augmenter

    def perturb(self, text: str, rng: random.Random) -> str:
        """Return `text` edited by nlpaug; return it unchanged if it is blank or if nlpaug would leave nothing of it."""
        if not text.strip():
            return text
        with self._lock:
            # The augmenters offered here make every random choice through `sample`, which uses Python's global
            # generator. Replacing it keeps global random states unread and unchanged.
            self._augmenter.sample = partial(_sample, rng)
            edited = self._augmenter.augment(text)
        return edited[0] if edited and edited[0].strip() else text


def _sample(rng: random.Random, items: list[Any] | int, number: int) -> Any:
    """Replace nlpaug's `sample`: draw `number` distinct items, or a position to split a token of length `items`.

    Deviation from nlpaug: its `split` draws positions from numpy's global generator.
    """
    return rng.sample(items, number) if isinstance(items, list) else 1 + int(rng.random() * (items - 2))


def _resources(params: Params) -> dict[str, str]:
    """Name nlpaug's version, on which the edits depend."""
    return {"nlpaug": version("nlpaug")}


def _random_word(action: str, **settings: Any) -> Any:
    """Make nlpaug's RandomWordAug, which swaps adjacent tokens, deletes tokens or replaces them by an underscore."""
    from nlpaug.augmenter.word import RandomWordAug

    return RandomWordAug(action=action, **settings)


def _spelling(**settings: Any) -> Any:
    """Make nlpaug's SpellingAug with the dictionary of misspellings in nlpaug's package."""
    from nlpaug.augmenter.word import SpellingAug

    augmenter = SpellingAug(**settings)
    for candidates in augmenter.model.dict.values():
        candidates.sort()  # deviation: nlpaug's order is that of a set, which changes with PYTHONHASHSEED
    return augmenter


def _split(**settings: Any) -> Any:
    """Make nlpaug's SplitAug, which splits a token in two."""
    from nlpaug.augmenter.word import SplitAug

    return SplitAug(**settings)


def _random_char(action: str, **settings: Any) -> Any:
    """Make nlpaug's RandomCharAug, which swaps, deletes, inserts or replaces characters."""
    from nlpaug.augmenter.char import RandomCharAug

    return RandomCharAug(action=action, **settings)


def _keyboard(**settings: Any) -> Any:
    """Make nlpaug's KeyboardAug, which replaces characters by neighbors on an English keyboard."""
    from nlpaug.augmenter.char import KeyboardAug

    return KeyboardAug(**settings)


def _ocr(**settings: Any) -> Any:
    """Make nlpaug's OcrAug, which replaces characters by ones that scanners confuse with them."""
    from nlpaug.augmenter.char import OcrAug

    return OcrAug(**settings)


AUGMENTERS: dict[str, tuple[str, type[WordParams] | type[CharParams], Callable[..., Any]]] = {
    "swap": ("adjacent words swapped", WordParams, partial(_random_word, "swap")),
    "delete": ("words deleted", WordParams, partial(_random_word, "delete")),
    "spelling": ("words replaced by common misspellings", WordParams, _spelling),
    "keyboard": ("characters replaced by neighbors on the keyboard", CharParams, _keyboard),
    "ocr": ("characters replaced by look-alikes", OcrParams, _ocr),
    "char-swap": ("adjacent characters swapped within words", CharParams, partial(_random_char, "swap")),
    "substitute": ("words replaced by an underscore", WordParams, partial(_random_word, "substitute")),
    "split": ("words split in two", SplitParams, _split),
    "char-delete": ("characters deleted", CharParams, partial(_random_char, "delete")),
    "char-insert": ("random characters inserted", CharParams, partial(_random_char, "insert")),
    "char-substitute": (
        "characters replaced by random ones", CharParams, partial(_random_char, "substitute"),
    ),
}  # fmt: skip


def _refuse(**settings: Any) -> Any:
    raise UsageError("this augmenter is not offered.")


_SYNONYMS = "eda[insert=false,swap=false,delete=false"
REFUSED = {
    "synonym": f"nlpaug's synonym augmenter needs an NLTK tagger; '{_SYNONYMS}]' replaces synonyms.",
    "antonym": "nlpaug's antonym augmenter needs an NLTK tagger; "
    f"'{_SYNONYMS},thesaurus=antonyms.txt]' replaces words by others from their group in a file.",
    "reserved": "nlpaug's reserved-token augmenter needs lists of words; "
    f"'{_SYNONYMS},thesaurus=reserved.txt]' takes them from a file.",
    "contextual": "nlpaug's contextual augmenter fails on current transformers; 'frozen-generator' replaces words "
    "by a masked language model's.",
    "word-embs": "nlpaug's word-embedding augmenter needs a file of word vectors; 'tinybert-aug' replaces words "
    "by similar ones that fit.",
    "tfidf": "nlpaug's TF-IDF augmenter needs a fitted model; 'random-token' replaces tokens by random ones.",
    "back-translation": "nlpaug's back-translation needs two translation models, which a study does not name; "
    "'tinybert-aug' rewrites texts with the study's generator.",
    "crop": "nlpaug's crop raises errors on short texts; 'cutoff[kind=span]' erases a span.",
    "sentence-random": "nlpaug's sentence shuffling needs an NLTK tokenizer, and most GLUE texts are one sentence; "
    "'nlpaug:swap' swaps words.",
    "sentence-contextual": "nlpaug's sentence generation fails on current transformers; 'frozen-generator' rewrites "
    "text with a masked language model.",
    "abst-summ": "nlpaug's summaries need a model that a study does not name; 'nlpaug:delete' shortens texts.",
    "lambada": "nlpaug's LAMBADA needs a generator trained on the task beforehand; 'matekd' trains one.",
}


@hookimpl
def matekd_bench_methods() -> Iterator[Method]:
    """Announce one method per augmenter, and a refusal for each augmenter that is not offered."""
    for name, (summary, params, make) in AUGMENTERS.items():
        yield Method(
            name=f"nlpaug:{name}",
            summary=f"nlpaug: {summary}.",
            params=params,
            search={("aug_p" if issubclass(params, WordParams) else "aug_word_p"): Range(0.05, 0.5)},
            factory=partial(NlpAug, make=make),
            level="text",
            version="1",
            citation=CITATION,
            libraries=("nlpaug",),
            resources=_resources,
        )
    for name, reason in REFUSED.items():
        yield Method(
            name=f"nlpaug:{name}",
            summary="not offered.",
            factory=partial(NlpAug, make=_refuse),
            level="text",
            version="1",
            refused=reason,
        )
