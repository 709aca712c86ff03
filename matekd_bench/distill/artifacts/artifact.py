"""A costly thing that is made once and cached under a key of everything that it depends on."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import torch

from matekd_bench.distill.artifacts.artifact_cache import CacheEntry, cache_root, cached_folder
from matekd_bench.distill.artifacts.preparation import Preparation
from matekd_bench.distill.artifacts.recipe import Recipe
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.errors import CheckpointError
from matekd_bench.events import Message, NoSink, Sink
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.files.hashing import short_digest
from matekd_bench.tasks.task import Examples, Task, TaskData

T = TypeVar("T")
Measured: TypeAlias = Mapping[str, Any]  # what was measured while an artifact was built, as JSON data

ENGINE = "2"  # raised when teachers, logits or generators made by older code may differ


class Artifact(ABC, Generic[T]):
    """A thing that the runs on one task share: built once under a lock, cached, sealed, and loaded by every process.

    A subclass says what the thing depends on (:attr:`facts`), how it is built into a folder and how it is loaded from
    one. `kind` is its folder in the cache, `title` names it in messages. The facts and what was measured are kept in
    `facts_file`; "" for none. Several processes of one run build it `together`, or the first one alone.
    """

    kind: ClassVar[str]
    facts_file: ClassVar[str] = ""
    together: ClassVar[bool] = True

    def __init__(
        self,
        data: TaskData,
        recipe: Recipe,
        sink: Sink = NoSink(),
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.data, self.recipe = data, recipe
        self.sink, self.stopping = sink, stopping

    @property
    @abstractmethod
    def facts(self) -> Any:
        """Everything that the content depends on, as JSON data."""

    @property
    @abstractmethod
    def title(self) -> str:
        """A short name for messages, such as "teacher for rte"."""

    @abstractmethod
    def build(self, folder: Path, checkpoints: CheckpointFolder) -> Measured:
        """Make the thing, write its files into the empty `folder`, and return what was measured.

        An interrupted build resumes from what it saved in `checkpoints`.
        """

    @abstractmethod
    def load(self, entry: CacheEntry, measured: Measured) -> T:
        """Load the thing from its folder in the cache."""

    @property
    def key(self) -> str:
        """The name of the folder in the cache."""
        return f"{self.task.name}-{short_digest(self.facts)}"

    @property
    def folder(self) -> Path:
        """The folder in the cache; it exists once the thing was built."""
        return cache_root() / self.kind / self.key

    @property
    def is_cached(self) -> bool:
        """True if the cache has a folder for the thing; its files are not checked."""
        return self.folder.is_dir()

    def get(self) -> T:
        """Load the thing from the cache; build it first if it is missing or damaged."""
        ranks = self.recipe.ranks
        if self.together:
            return self._load_or_build(ranks)
        if ranks.leads:  # it builds alone; the others then read from the cache
            return ranks.run_or_fail_together(lambda: self._load_or_build(ALONE))
        ranks.run_or_fail_together(lambda: None)
        return self._load_or_build(ALONE)

    def _load_or_build(self, ranks: Ranks) -> T:
        entry = cached_folder(self.kind, self.key, self._build_with_facts, self._warn, ranks)
        text = (entry.path / self.facts_file).read_text() if self.facts_file else "{}"
        return self.load(entry, json.loads(text))

    def _build_with_facts(self, folder: Path, checkpoints: CheckpointFolder) -> None:
        measured = self.build(folder, checkpoints)
        if self.facts_file:
            text = json.dumps({"recipe": self.facts, **measured}, indent=1)
            (folder / self.facts_file).write_text(f"{text}\n")

    def preparation(self, checkpoints: CheckpointFolder, ranks: Ranks = ALONE) -> Preparation:
        """Make the resumable training that a build consists of."""
        return Preparation(self.title, checkpoints, sink=self.sink, stopping=self.stopping, ranks=ranks)

    def stage(self, text: str) -> None:
        """Tell the user of a step that may take long."""
        self.sink.emit(Message(kind="stage", text=text))

    def _warn(self, text: str) -> None:
        self.sink.emit(Message(kind="warning", text=text))

    @property
    def task(self) -> Task:
        """The task whose runs share the thing."""
        return self.data.task

    @property
    def rows(self) -> Examples:
        """The training rows. Raises CheckpointError if the task has none."""
        if self.data.train is None:
            raise CheckpointError(f"task '{self.task.name}' has no training data.")
        return self.data.train

    @property
    def data_key(self) -> str:
        """The digest of the training rows."""
        return self.data.digests[self.rows.split]

    def corpus(self, encoder: Encoder) -> Corpus:
        """Encode the training rows. Raises CheckpointError if there are none or they have no labels."""
        rows = self.rows
        if rows.labels is None:
            raise CheckpointError(f"the training rows of '{self.task.name}' have no labels.")
        dtype = torch.long if self.task.labels else torch.float32  # class ids, or scores for regression
        labels = torch.tensor(rows.labels, dtype=dtype)
        return Corpus(rows.uids, rows.texts, encoder(rows.texts), labels, encoder.tokens.pad)
