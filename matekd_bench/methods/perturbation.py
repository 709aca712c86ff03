"""The base classes a method extends: Perturbation, and two simpler ones for text and for tokens.

Nothing here imports torch at module level: listing methods must stay instant.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from matekd_bench.errors import PluginError
from matekd_bench.methods.edits import edits_between
from matekd_bench.methods.method import Level, Method, NoParams, Params, Role
from matekd_bench.methods.rows import Cycle, Perturbed, Row
from matekd_bench.methods.search_space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from matekd_bench.methods.context import Context, Models
    from matekd_bench.methods.views import Batch, Joint, Seen, View
    from matekd_bench.tasks.task import Task

    Views: TypeAlias = Generator[View | tuple[View, ...] | Joint, Seen, None]

P = TypeVar("P", bound=Params)


class Perturbation(Generic[P]):
    """A method at work in one run. Extend it, describe it by class attributes, and write :meth:`views`.

    A hook yields the class itself: `name`, `version` and, unless a base class says it, `level` are required; the
    first line of the docstring is the `summary` unless one is given. The parameters' type is the one in brackets:
    ``class EDA(TextPerturbation[EDAParams])``. What each attribute means is said at :class:`Method`, the record that
    is made of them; a hook yields a record itself where the class would load what is heavy.

    `notices` are sentences for the user, known once the method is made, e.g. that a resource was not found; the
    suite shows each once a study.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    level: ClassVar[Level | None] = None
    version: ClassVar[str] = ""
    role: ClassVar[Role] = "method"
    needs: ClassVar[frozenset[str]] = frozenset()
    search: ClassVar[Mapping[str, Space]] = {}
    citation: ClassVar[str] = ""

    cycle: Cycle | None = None
    notices: Sequence[str] = ()

    def __init__(self, params: P, context: Context) -> None:
        self.params = params
        self.context = context

    @classmethod
    def overrides(cls, params: P) -> Mapping[str, Any]:
        """Give the settings of the study's training that the method replaces, by dotted name."""
        return {}

    @classmethod
    def resources(cls, params: P) -> Mapping[str, str]:
        """Name the external resources in use, by kind, e.g. which thesaurus."""
        return {}

    @classmethod
    def unfit(cls, params: P, task: Task) -> str | None:
        """Say in a sentence why the method cannot be had on a task, or None."""
        return None

    def views(self, batch: Batch, models: Models) -> Views:
        """Yields what the student learns from in one update.

        After each `yield` the trainer has run forward and backward, and `seen = yield view` receives what it saw.
        In an auxiliary phase (``batch.phase == "own"``) nothing is yielded. What is yielded may depend on
        `batch.update` and on nothing that another piece of the same update would see otherwise.
        """
        raise NotImplementedError

    def ahead(self, rows: Sequence[Row]) -> Sequence[Any] | None:
        """Prepares a batch in the background, one entry a row, found later in `batch.prepared`; None: nothing."""
        return None

    def warm_up(self, batches: Iterable[Batch], models: Models) -> None:
        """Called once before the first update; what it costs is counted."""

    def state_dict(self) -> dict[str, Any]:
        """What the method must remember to go on after an interruption, besides the modules it handed over.

        Called after an update; tensors, numbers, texts, lists and dictionaries of these.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what :meth:`state_dict` gave to another process; called once, before the first update."""

    def diagnostics(self) -> dict[str, float]:
        """What the method has to say of itself after the last update, for the record."""
        return {}


class TextPerturbation(Perturbation[P]):
    """A method that rewrites text: write :meth:`perturb`, and the core does pairs, encoding and seeding.

    Segments are perturbed one by one, a fresh draw per epoch. `variants` perturbed views per example share
    half of the soft weight, the clean view has the other half.
    """

    level: ClassVar[Level | None] = "text"
    variants: int = 1
    segments: Literal["both", "first", "second"] = "both"

    def prepare(self, texts: Sequence[str]) -> None:
        """Called once with every training text, for methods that work on the whole data set first."""

    def perturb(self, text: str, rng: random.Random) -> str:
        """A perturbed version of `text`; every random choice comes from `rng`."""
        raise NotImplementedError

    def rewrite(self, row: Row, variant: int) -> tuple[str, ...]:
        """The texts of a row with the chosen segments perturbed; one private generator for each segment."""
        texts = []
        for index, text in enumerate(row.texts):
            chosen = self.segments == "both" or index == (0 if self.segments == "first" else 1)
            if not chosen and len(row.texts) > 1:
                texts.append(text)
                continue
            rng = random.Random(row.seed(f"text/{variant}/{index}"))
            texts.append(self._text(text, rng))
        return tuple(texts)

    def _text(self, text: str, rng: random.Random) -> str:
        """What `perturb` makes of a text; TypeError where it is no text."""
        perturbed: object = self.perturb(text, rng)
        if not isinstance(perturbed, str):
            raise TypeError(
                f"perturb() returned {perturbed!r}: return the text as it is where nothing is to do"
            )
        return perturbed

    def ahead(self, rows: Sequence[Row]) -> Sequence[Any]:
        """Perturbs and encodes every row: a list of :class:`Perturbed` for each."""
        return [[self._perturbed(row, variant) for variant in range(self.variants)] for row in rows]

    def _perturbed(self, row: Row, variant: int) -> Perturbed:
        texts = self.rewrite(row, variant)
        edits, words = edits_between(row.texts, texts)
        return replace(self.context.encode(texts), edits=edits, words=words)

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view, then the variants, which the teacher labels: (CE(x) + D(x) + mean_j D(x'_j)) / 3."""
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        for variant in range(self.variants):
            rows = [row[variant] for row in batch.prepared or ()]
            self._report(rows)
            view = self.context.collate(rows, dropout=variant + 1)
            yield view.weighted(gold=0.0, soft=0.5 / self.variants)

    def _report(self, rows: Sequence[Perturbed]) -> None:
        """Books the share of words that changed and of rows left as they were."""
        self.context.report("words_changed", sum(row.edits for row in rows), sum(row.words for row in rows))
        self.context.report("texts_unchanged", sum(not row.edits for row in rows), len(rows))


class TokenPerturbation(Perturbation[P]):
    """A method that rewrites token ids on the device: write :meth:`perturb`."""

    level: ClassVar[Level | None] = "token"

    def perturb(self, batch: Batch, maskable: Tensor) -> Tensor:
        """New ids [B, L] for ``batch.ids``; only true positions of `maskable` [B, L] may change.

        Noise comes from ``self.context.draw(batch, purpose)``.
        """
        raise NotImplementedError

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view, then the perturbed one, which the teacher labels: (CE(x) + D(x) + D(x')) / 3."""
        yield batch.clean.weighted(gold=1.0, soft=0.5)
        ids = self._ids(batch)
        yield replace(batch.clean, ids=ids, teacher="same", labels=None, gold=0.0, soft=0.5, dropout=1)

    def _ids(self, batch: Batch) -> Tensor:
        """What `perturb` makes of a batch; TypeError where it is no tensor of its size."""
        perturbed = self.perturb(batch, ~batch.special)
        if getattr(perturbed, "shape", None) != batch.ids.shape:
            found = getattr(perturbed, "shape", type(perturbed).__name__)
            raise TypeError(
                f"perturb() returned {found}: return ids of the shape of batch.ids, {tuple(batch.ids.shape)}"
            )
        return perturbed


FORMER = {"state": "state_dict", "restore": "load_state_dict"}  # methods of version 0.1


def method_of(cls: type[Perturbation[Any]]) -> Method:
    """Make the record of a class that describes itself by class attributes.

    Raises PluginError, naming the class, where one that is required is missing.
    """
    for attribute in ("name", "level", "version"):
        if not getattr(cls, attribute):
            raise PluginError(
                f'class {cls.__name__} does not say its {attribute}: add `{attribute} = "..."` to it.'
            )
    summary = cls.summary or (cls.__doc__ or "").strip().split("\n")[0]
    assert cls.level is not None
    return Method(
        name=cls.name, summary=summary, factory=cls, level=cls.level, version=cls.version, params=params_of(cls),
        citation=cls.citation, needs=cls.needs, role=cls.role, search=cls.search, overrides=cls.overrides,
        resources=cls.resources, unfit=cls.unfit,
    )  # fmt: skip


def params_of(cls: type[Perturbation[Any]]) -> type[Params]:
    """The type in the brackets of a class's base, ``TextPerturbation[EDAParams]``; NoParams without brackets."""
    for base in cls.__mro__:
        for generic in getattr(base, "__orig_bases__", ()):
            for argument in getattr(generic, "__args__", ()):
                if isinstance(argument, type) and issubclass(argument, Params):
                    return argument
    return NoParams


def former_methods(cls: type) -> str | None:
    """Say what a class still defines under the names of version 0.1: its state would be forgotten on resuming."""
    found = [
        f"{old}() is called {new}() now" for old, new in FORMER.items() if callable(getattr(cls, old, None))
    ]
    return f"{' and '.join(found)}; as it is, it would forget its state on resuming" if found else None


def make_perturbation(method: Method, params: Params, context: Context, name: str) -> Perturbation[Any]:
    """Call a method's factory for one run; PluginError, naming it, for a class under the names of version 0.1."""
    perturbation: Perturbation[Any] = method.factory(params, context)
    if (former := former_methods(type(perturbation))) is not None:
        raise PluginError(f"method '{name}': {former}.")
    return perturbation
