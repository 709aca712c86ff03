"""The base classes of methods: Perturbation, and simpler ones for methods that rewrite text or tokens.

Nothing here imports torch at module level, since listing methods must be instant.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, get_args, get_origin

from matekd_bench.errors import PluginError, defined_at
from matekd_bench.methods.edits import edits_between
from matekd_bench.methods.method import Level, Method, NoParams, Params, Role
from matekd_bench.methods.rows import Cycle, Perturbed, Row
from matekd_bench.methods.search_space import Space
from matekd_bench.spelling import kind_in_words
from matekd_bench.tasks.segments import Segments, chosen_segments

if TYPE_CHECKING:
    from torch import Tensor

    from matekd_bench.methods.context import Context, Models
    from matekd_bench.methods.views import Batch, Joint, Seen, View
    from matekd_bench.tasks.task import Task

    Views: TypeAlias = Generator[View | tuple[View, ...] | Joint, Seen, None]

P = TypeVar("P", bound=Params)


class Perturbation(Generic[P]):
    """Base class of a method in one run. Extend it, describe it by class attributes, and write :meth:`views`.

    A hook yields the class itself. The attributes `name` and `version` are required, and `level` unless a base class
    sets it. Without a `summary` the first line of the docstring is used. The type of the parameters is the one in
    brackets: ``class EDA(TextPerturbation[EDAParams])``. :class:`Method`, the record made from the attributes,
    explains each of them. A hook yields a record itself if importing the class would load heavy libraries.

    `cycle` asks for auxiliary updates. `notices` are sentences for the user that are known once the method is made,
    e.g. about a resource that was not found. The suite shows each once per study.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    level: ClassVar[Level | None] = None
    version: ClassVar[str] = ""
    role: ClassVar[Role] = "method"
    needs: ClassVar[frozenset[str]] = frozenset()
    search: ClassVar[Mapping[str, Space]] = {}
    citation: ClassVar[str] = ""
    libraries: ClassVar[tuple[str, ...]] = ()

    cycle: Cycle | None = None
    notices: Sequence[str] = ()

    def __init__(self, params: P, context: Context) -> None:
        self.params = params
        self.context = context

    @classmethod
    def overrides(cls, params: P) -> Mapping[str, Any]:
        """Return the settings of the study's training that the method replaces, by dotted name."""
        return {}

    @classmethod
    def resources(cls, params: P) -> Mapping[str, str]:
        """Name the external resources in use, by kind, e.g. which thesaurus."""
        return {}

    @classmethod
    def unfit(cls, params: P, task: Task) -> str | None:
        """Explain in a sentence why the method cannot run on a task; None if it can."""
        return None

    @classmethod
    def check_rows(cls, params: P, rows: Mapping[str, tuple[str, ...]]) -> Sequence[str]:
        """Check the texts of the training rows, by id, before any training; return sentences for the user.

        Raise a `BenchError` if the method cannot run on them.
        """
        return ()

    @classmethod
    def cost_beforehand(cls, params: P) -> Mapping[str, float]:
        """Return the cost, before the study, of what the method uses, by unit, e.g. ``{"tokens": 120000.0}``."""
        return {}

    @classmethod
    def perturbed_rows(
        cls, params: P, rows: Mapping[str, tuple[str, ...]]
    ) -> Iterable[tuple[str, ...]] | None:
        """Return the texts of every perturbed row that the teacher will be asked about; None if they are unknown.

        Return an empty list if the teacher is asked about the training rows alone.
        """
        return None

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the views that the student learns from in one update.

        At each `yield` the trainer runs forward and backward; ``seen = yield view`` receives the results. In an
        auxiliary phase (``batch.phase == "own"``) nothing is yielded. The number and kind of views may depend on
        `batch.update`, but on nothing that differs between the pieces of an update.
        """
        raise NotImplementedError

    def ahead(self, rows: Sequence[Row]) -> Sequence[Any] | None:
        """Prepare the rows of a batch in a background thread: one entry per row for `batch.prepared`, or None."""
        return None

    def warm_up(self, batches: Iterable[Batch], models: Models) -> None:
        """Do work before the first update, such as training a module; called once, its cost is counted."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save for resuming a run, besides that of modules passed to `context.prepare`.

        It may consist of tensors, numbers, texts, and lists and dictionaries of these. Called after an update.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state saved by :meth:`state_dict` in an earlier process; called once, before the first update."""

    def diagnostics(self) -> dict[str, float]:
        """Return the method's own measurements for the record; called after the last update."""
        return {}


class TextPerturbation(Perturbation[P]):
    """Base class of methods that rewrite text: write :meth:`perturb`; the core handles pairs, encoding and seeding.

    Each segment is perturbed on its own, with fresh draws in every epoch. The `variants` perturbed views of an example
    share half of the soft weight; the clean view has the other half.
    """

    level: ClassVar[Level | None] = "text"
    variants: int = 1
    segments: Segments = "both"

    def prepare(self, texts: Sequence[str]) -> None:
        """Process the texts that :meth:`perturb` will get, before the first update; called once.

        They come in the order of the training rows, without the rows that the budget leaves out. What is done to a
        text must not depend on the others. `perturb` may still get another text, as in a preview.
        """

    def perturbed(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the segments of a row that are perturbed: the chosen ones of a pair, or the only one."""
        return tuple(texts[index] for index in chosen_segments(len(texts), self.segments))

    def perturb(self, text: str, rng: random.Random) -> str:
        """Return a perturbed version of `text`; take every random choice from `rng`."""
        raise NotImplementedError

    def perturb_segment(self, row: Row, index: int, rng: random.Random) -> str:
        """Return a perturbed version of one segment of a row, by default what :meth:`perturb` returns for its text.

        Write it in place of `perturb` if the version depends on the row's id or its other segment.
        """
        return self._checked_text(row.texts[index], rng)

    def rewrite(self, row: Row, variant: int) -> tuple[str, ...]:
        """Perturb the chosen segments of a row, each with a random generator of its own."""
        texts = list(row.texts)
        for index in chosen_segments(len(texts), self.segments):
            rng = random.Random(row.seed(f"text/{variant}/{index}"))
            texts[index] = self.perturb_segment(row, index, rng)
        return tuple(texts)

    def _checked_text(self, text: str, rng: random.Random) -> str:
        """Call `perturb`; raise PluginError unless it returns one text."""
        perturbed: object = self.perturb(text, rng)
        if isinstance(perturbed, str):
            return perturbed
        advice = f"return one text, not {kind_in_words(perturbed)}"
        if perturbed is None:
            advice = "return the text unchanged if there is nothing to do"
        raise wrong_result(self.perturb, kind_in_words(perturbed), advice)

    def _checked_texts(self, row: Row, variant: int) -> tuple[str, ...]:
        """Call `rewrite`; raise PluginError unless it returns as many texts as the row has."""
        texts: object = self.rewrite(row, variant)
        if isinstance(texts, (tuple, list)) and list(map(type, texts)) == [str] * len(row.texts):
            return tuple(texts)
        raise wrong_result(
            self.rewrite, repr(texts), f"return a tuple of {len(row.texts)} texts, as row.texts is"
        )

    def ahead(self, rows: Sequence[Row]) -> Sequence[Any]:
        """Perturb and encode every row, as a list of :class:`Perturbed` for each."""
        return [[self._encode_variant(row, variant) for variant in range(self.variants)] for row in rows]

    def _encode_variant(self, row: Row, variant: int) -> Perturbed:
        """Perturb and encode a row, and count its edits."""
        texts = self._checked_texts(row, variant)
        edits, words = edits_between(row.texts, texts)
        return replace(self.context.encode(texts), edits=edits, words=words)

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view, then the variants: ``(CE(x) + D(x) + mean_j D(x'_j)) / 3``."""
        # Perturbed text carries no gold label: the teacher labels it, as in MATE-KD's objective.
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        for variant in range(self.variants):
            rows = [row[variant] for row in batch.prepared or ()]
            self._report_edits(rows)
            view = self.context.collate(rows, dropout=variant + 1)
            yield view.weighted(gold=0.0, soft=0.5 / self.variants)

    def _report_edits(self, rows: Sequence[Perturbed]) -> None:
        """Report the share of words that changed and the share of unchanged rows."""
        self.context.report("words_changed", sum(row.edits for row in rows), sum(row.words for row in rows))
        self.context.report("texts_unchanged", sum(not row.edits for row in rows), len(rows))


class TokenPerturbation(Perturbation[P]):
    """Base class of methods that rewrite token ids on the device: write :meth:`perturb`."""

    level: ClassVar[Level | None] = "token"

    def perturb(self, batch: Batch, maskable: Tensor) -> Tensor:
        """Return new ids [B, L] for ``batch.ids``; only true positions of `maskable` [B, L] may change.

        Take noise from ``self.context.draw(batch, purpose)``.
        """
        raise NotImplementedError

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view, then the perturbed view, labeled by the teacher: ``(CE(x) + D(x) + D(x')) / 3``."""
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        ids = self._checked_ids(batch)
        yield replace(batch.clean, ids=ids, teacher="same", labels=None, gold=0.0, soft=0.5, dropout=1)

    def _checked_ids(self, batch: Batch) -> Tensor:
        """Call `perturb`; raise PluginError unless it returns a tensor of integers in the shape of `batch.ids`."""
        ids, perturbed = batch.ids, self.perturb(batch, ~batch.special)
        if not isinstance(perturbed, type(ids)):
            raise wrong_result(
                self.perturb, kind_in_words(perturbed), "return the ids as a torch.Tensor, like batch.ids"
            )
        if perturbed.shape != ids.shape or perturbed.dtype not in (ids.dtype, ids.int().dtype):
            kind = f"{perturbed.dtype} of shape {tuple(perturbed.shape)}"
            raise wrong_result(
                self.perturb, kind, f"return ids like batch.ids, {ids.dtype} of {tuple(ids.shape)}"
            )
        return perturbed


def wrong_result(function: Callable[..., object], kind: str, advice: str) -> PluginError:
    """Return the error for a function of a plugin that returned a value of a wrong `kind`."""
    owner = getattr(
        function, "__self__", None
    )  # an instance; the class for a class method; None for a function
    cls = owner if owner is None or isinstance(owner, type) else type(owner)
    name = getattr(function, "__name__", "a function")
    called = name if cls is None else f"{cls.__name__}.{name}"
    return PluginError(f"{called}() returned {kind}: {advice}{defined_at(function)}.")


def method_of(cls: type[Perturbation[Any]]) -> Method:
    """Make the record of a class that describes itself by class attributes.

    Raises PluginError, naming the class, if a required attribute is missing.
    """
    for attribute in ("name", "level", "version"):
        if not getattr(cls, attribute):
            raise PluginError(f'class {cls.__name__} has no {attribute}: add `{attribute} = "..."` to it.')
    summary = cls.summary or (cls.__doc__ or "").strip().split("\n")[0]
    assert cls.level is not None
    return Method(
        name=cls.name, summary=summary, factory=cls, level=cls.level, version=cls.version, params=params_of(cls),
        citation=cls.citation, needs=cls.needs, role=cls.role, search=cls.search, overrides=cls.overrides,
        resources=cls.resources, unfit=cls.unfit, check_rows=cls.check_rows, cost_beforehand=cls.cost_beforehand,
        perturbed_rows=cls.perturbed_rows, libraries=cls.libraries,
    )  # fmt: skip


def params_of(cls: type[Perturbation[Any]]) -> type[Params]:
    """Return the type in brackets in a class's base, ``TextPerturbation[EDAParams]``; NoParams without brackets."""
    return next((kind for kind in types_in_brackets(cls) if issubclass(kind, Params)), NoParams)


def types_in_brackets(cls: type[Perturbation[Any]]) -> list[type]:
    """Return the classes in the brackets of a class's bases, the nearest first."""
    generics = [generic for base in cls.__mro__ for generic in getattr(base, "__orig_bases__", ())]
    perturbations = [generic for generic in generics if _is_perturbation(get_origin(generic))]
    return [kind for generic in perturbations for kind in get_args(generic) if isinstance(kind, type)]


def _is_perturbation(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Perturbation)
