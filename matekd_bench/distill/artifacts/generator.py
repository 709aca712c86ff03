"""The generator of MATE-KD and its ablations, as an artifact if its vocabulary head is untrained."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from matekd_bench.distill.artifacts.artifact import (
    ENGINE,
    Artifact,
    Measured,
    training_digest,
    training_rows,
)
from matekd_bench.distill.artifacts.artifact_cache import CacheEntry
from matekd_bench.distill.artifacts.eviction import CacheUse
from matekd_bench.distill.artifacts.generator_warm_up import GeneratorWarmUp
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.device import contained_randomness, kernel_facts
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.masked_lm import MaskedRowsLM, load_masked_lm, save_masked_lm
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.settings import GeneratorSettings
from matekd_bench.errors import CheckpointError
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.task import TaskData


@dataclass(frozen=True)
class Generator:
    """A generator ready for use. Each run trains a copy of it, so that runs do not affect each other.

    `accuracy` and `perplexity` are those of masked tokens in held-out text after the warm-up, None if there was no
    warm-up. The cost of a warm-up on the texts of several tasks is shared among these tasks in equal parts.
    """

    network: MaskedRowsLM
    accuracy: float | None
    perplexity: float | None = None
    warm_up_flops: int = 0
    warm_up_seconds: float = 0.0
    use: CacheUse | None = None  # keeps its folder from being removed from the cache

    @property
    def diagnostics(self) -> dict[str, float]:
        """The measurements of the warm-up, under the names in records; empty if there was no warm-up."""
        values = {"generator_accuracy": self.accuracy, "generator_perplexity": self.perplexity}
        return {name: value for name, value in values.items() if value is not None}

    def copy(self) -> MaskedRowsLM:
        """Return a new copy, trainable and in train mode."""
        return copy.deepcopy(self.network).requires_grad_(True).train()


@cache
def has_trained_head(source: ModelSource) -> bool:
    """Return True if a generator's checkpoint has a trained vocabulary head, so that it needs no warm-up."""
    return load_masked_lm(source, 0)[1]


class WarmedUpGenerator(Artifact[Generator]):
    """The recipe's generator, with its head trained on training text; one for all seeds of a study.

    The text is that of the run's task, or of the tasks that the study names for it, which then share one generator.

    If several processes train a run, the first one warms the generator up alone, since its updates cannot be divided
    among processes. The others read it from the cache.
    """

    kind, noun = "generators", "generator"
    facts_file = "generator.json"
    together = False

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that the weights depend on."""
        recipe = self.recipe
        return {
            "engine": ENGINE, "source": self._named[0].identity, "task": self.text_name,
            "texts": [training_digest(data) for data in self.texts], "settings": recipe.warm_up,
            "measured": ["accuracy", "perplexity"], "max_length": recipe.max_length,
            "precision": recipe.precision, "device": recipe.device.type,
            **kernel_facts(),
        }  # fmt: skip

    @property
    def _named(self) -> tuple[ModelSource, GeneratorSettings]:
        """The generator that the study names. Raises CheckpointError if it names none."""
        source, settings = self.recipe.generator, self.recipe.generator_settings
        if source is None or settings is None:
            raise CheckpointError("this study names no generator.")
        return source, settings

    @property
    def texts(self) -> tuple[TaskData, ...]:
        """The tasks whose training texts the warm-up reads."""
        return self.recipe.generator_texts or (self.data,)

    @property
    def text_name(self) -> str:
        """The names of these tasks."""
        return ",".join(data.task.name for data in self.texts)

    def untrained(self) -> tuple[MaskedRowsLM, bool]:
        """Load the generator before its warm-up; also return True if it has a trained head and needs none."""
        return load_masked_lm(self._named[0], seed_of(0, "generator-init"))

    def build(self, folder: Path, checkpoints: CheckpointFolder) -> Measured:
        """Warm the generator up and save it with the tokenizer; measure held-out accuracy, FLOPs and seconds."""
        self.tell(f"warming up {self.title}")
        recipe, encoder = self.recipe, self.recipe.student_encoder
        session = GeneratorWarmUp(
            self.untrained()[0], masked_texts(self.texts, encoder), self._named[1], encoder.tokens,
            task=self.text_name, device=recipe.device, precision=recipe.precision,
        )  # fmt: skip
        preparation = self.preparation(checkpoints)
        with contained_randomness(recipe.device):
            preparation.train(session)
        flops, seconds = session.meter.flops, preparation.seconds
        save_masked_lm(session.network, folder)
        encoder.save(folder)
        return {**session.held_out(), "flops": flops, "seconds": seconds}

    def load(self, entry: CacheEntry, measured: Measured) -> Generator:
        """Load the generator onto the device."""
        self.tell(
            f"{self.title}: masked-token accuracy {measured['accuracy']:.1%}, perplexity {measured['perplexity']:.3g}",
            "detail",
        )
        # Seed 0 is not used: the saved generator has its head.
        network, _ = load_masked_lm(ModelSource(describe(entry.path, id=self._named[0].name)), 0)
        return Generator(
            network.to(self.recipe.device), measured["accuracy"], measured["perplexity"],
            measured["flops"] // len(self.texts), measured["seconds"] / len(self.texts), entry.use,
        )  # fmt: skip


def masked_texts(tasks: Sequence[TaskData], encoder: Encoder) -> Corpus:
    """Encode the training texts of several tasks one after the other, without labels."""
    parts = [training_rows(data) for data in tasks]
    texts = [texts for rows in parts for texts in rows.texts]
    return Corpus(
        [uid for rows in parts for uid in rows.uids], texts,
        [row for rows in parts for row in encoder(rows.texts)], torch.zeros(len(texts)), encoder.tokens.pad,
    )  # fmt: skip
