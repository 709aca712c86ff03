"""The generator of MATE-KD and its ablations, and the warm-up for a generator whose vocabulary head is untrained."""

from __future__ import annotations

import collections.abc
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from matekd_bench.distill.artifacts.artifact import ENGINE, Artifact, Measured
from matekd_bench.distill.artifacts.artifact_cache import CacheEntry
from matekd_bench.distill.artifacts.eviction import CacheUse
from matekd_bench.distill.data.batches import Assembler, to_device
from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import DataOrder, PlannedUpdate
from matekd_bench.distill.device import ResolvedPrecision, contained_randomness, kernel_facts, seed_draws
from matekd_bench.distill.flops import Meter
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.masked_lm import MaskedRowsLM, load_masked_lm, save_masked_lm
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.settings import GeneratorSettings
from matekd_bench.distill.training.forward_passes import autocast
from matekd_bench.distill.training.loss import upcast
from matekd_bench.distill.training.optimizer import make_optimizer, step
from matekd_bench.distill.training.resume import read_weights
from matekd_bench.errors import CheckpointError
from matekd_bench.files.durable import CheckpointFolder
from matekd_bench.methods.context import Tokens
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of


@dataclass(frozen=True)
class Generator:
    """A generator ready for use. Each run trains a copy of it, so that runs do not affect each other.

    `accuracy` is the masked-token accuracy on held-out text after the warm-up, None if there was no warm-up.
    """

    source: ModelSource
    tokens: Tokens
    network: MaskedRowsLM
    accuracy: float | None
    warm_up_flops: int = 0
    warm_up_seconds: float = 0.0
    use: CacheUse | None = None  # keeps its folder from being removed from the cache

    def copy(self) -> MaskedRowsLM:
        """Return a new copy, trainable and in train mode."""
        return copy.deepcopy(self.network).requires_grad_(True).train()


class WarmedUpGenerator(Artifact[Generator]):
    """The recipe's generator, with its head trained on the task's training text; one for all seeds of a study.

    The first process of a run warms it up alone: rows are few, and its updates are not cut into pieces.
    """

    kind = "generators"
    facts_file = "generator.json"
    together = False

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that the weights depend on."""
        recipe, (source, settings) = self.recipe, self._named
        return {
            "engine": ENGINE, "source": source.identity, "data": self.data_key, "task": self.task.name,
            "settings": settings.model_dump(mode="json", exclude={"checkpoint", "revision"}),
            "max_length": recipe.max_length, "precision": recipe.precision, "device": recipe.device.type,
            **kernel_facts(),
        }  # fmt: skip

    @property
    def title(self) -> str:
        """Name the generator in messages."""
        return f"generator for {self.task.name}"

    @property
    def _named(self) -> tuple[ModelSource, GeneratorSettings]:
        """The generator that the study names. Raises CheckpointError if it names none."""
        source, settings = self.recipe.generator, self.recipe.generator_settings
        if source is None or settings is None:
            raise CheckpointError("this study names no generator.")
        return source, settings

    def untrained(self) -> tuple[MaskedRowsLM, bool]:
        """Load the generator before its warm-up; also return True if it has a trained head and needs none."""
        return load_masked_lm(self._named[0], seed_of(0, "generator-init"))

    def build(self, folder: Path, checkpoints: CheckpointFolder) -> Measured:
        """Warm the generator up and save it with the tokenizer; measure held-out accuracy, FLOPs and seconds."""
        self.stage(f"warming up {self.title}")
        recipe, encoder = self.recipe, self.recipe.student_encoder
        session = WarmUp(
            self.untrained()[0], self.corpus(encoder), self._named[1], encoder.tokens,
            task=self.task.name, device=recipe.device, precision=recipe.precision,
        )  # fmt: skip
        preparation = self.preparation(checkpoints)
        with contained_randomness(recipe.device):
            preparation.train(session)
        accuracy, flops, seconds = session.held_out_accuracy(), session.meter.flops, preparation.seconds
        save_masked_lm(session.network, folder)
        encoder.save(folder)
        return {"accuracy": accuracy, "flops": flops, "seconds": seconds}

    def load(self, entry: CacheEntry, measured: Measured) -> Generator:
        """Load the generator onto the device."""
        self.stage(f"{self.title}: masked-token accuracy {measured['accuracy']:.1%}")
        source = self._named[0]
        # Seed 0 is not used: the saved generator has its head.
        network, _ = load_masked_lm(ModelSource(describe(entry.path, id=source.name)), 0)
        return Generator(
            source, self.recipe.student_encoder.tokens, network.to(self.recipe.device), measured["accuracy"],
            measured["flops"], measured["seconds"], entry.use,
        )  # fmt: skip


class WarmUp:
    """The training of a whole generator in place on a task's training text, for a preparation.

    Every masked position shows [MASK], as it does when methods use the generator. One row in twenty is held out, at
    most 256. It is no `TrainingSession`: there are no views, students, teachers and pieces here, only one loss. What
    both need is shared below them: data order, batches, the optimizer's step, the meter and checkpoints.
    """

    def __init__(
        self,
        network: MaskedRowsLM,
        corpus: Corpus,
        settings: GeneratorSettings,
        tokens: Tokens,
        *,
        task: str,
        device: torch.device,
        precision: ResolvedPrecision,
    ) -> None:
        self.network, self.meter = network.to(device).train(), Meter()
        self.meter.register("generator", network.flops)
        self.updates = 0
        # Chosen by id, so that the order of the rows does not matter. A single row is both held out and trained on.
        self._held_out = sorted(range(len(corpus)), key=lambda row: corpus.uids[row])[
            : max(1, min(256, len(corpus) // 20))
        ]
        self._rows = sorted(set(range(len(corpus))) - set(self._held_out)) or self._held_out
        self.limit = settings.budget.resolve(task, len(self._rows), settings.optimizer.batch_size)
        self._optimizer = make_optimizer(network, settings.optimizer)
        self._corpus, self._settings, self._tokens, self._task = corpus, settings, tokens, task
        self._device, self._precision = device, precision

    @property
    def modules(self) -> list[torch.nn.Module]:
        """The generator."""
        return [self.network]

    @property
    def spent(self) -> int:
        """The number of updates, which is what the limit counts."""
        return self.updates

    def losses(self) -> collections.abc.Generator[float, None, None]:
        """Train to the limit and yield the loss of each update."""
        for update, batch in islice(self._batches(), self.updates, None):
            # Study seed 0: a generator is made once per task. One key per update makes a resumed warm-up the same.
            seed_draws(seed_of(0, self._task, "generator-dropout", update), self._device)
            self._set_rate(update)
            batch = to_device(batch, self._device)
            loss, _ = self._masked_loss(batch, f"{self._task}/{update}", self.meter)
            loss.backward()
            step(
                self.network, self._optimizer, self._settings.optimizer.clip, update=update, whose="the generator"
            )  # fmt: skip
            self.updates = update + 1
            yield float(loss.detach())

    def _batches(self) -> Iterator[tuple[int, Batch]]:
        """Yield the number and the batch, on the CPU, of each update."""
        assemble, size = Assembler(self._corpus, 0, self._task), self._settings.optimizer.batch_size
        lengths = [len(self._corpus.encoded[row].ids) for row in self._rows]
        order = DataOrder(lengths, size, 0, self._task, "generator-order")
        for update, (epoch, rows) in zip(range(self.limit), order, strict=False):
            yield update, assemble(PlannedUpdate("student", update, epoch, [self._rows[row] for row in rows]))

    def _set_rate(self, update: int) -> None:
        """Set the rate in the middle of the update, so that neither the first nor the last rate is zero."""
        settings, middle = self._settings.optimizer, (update + 0.5) / self.limit
        for group in self._optimizer.param_groups:
            group["lr"] = settings.lr * settings.factor(middle, ("student_updates", self.limit))

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes, except the weights."""
        return {
            "updates": self.updates,
            "optimizer": self._optimizer.state_dict(),
            "meter": self.meter.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], folder: Path) -> None:
        """Continue from a :meth:`state_dict` and the weights that a checkpoint has in `folder`."""
        read_weights(folder, self.modules)
        self.updates = state["updates"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.meter.load_state_dict(state["meter"])

    @torch.no_grad()
    def held_out_accuracy(self) -> float:
        """Return the share of masked positions in the held-out rows whose token the generator ranks first."""
        self.network.eval()  # without dropout
        assemble, correct, count = Assembler(self._corpus, 0, "held-out"), 0.0, 0
        for start in range(0, len(self._held_out), 32):
            rows = self._held_out[start : start + 32]
            batch = to_device(assemble(PlannedUpdate("student", start, 0, rows)), self._device)
            _, (hits, total) = self._masked_loss(batch, "held-out", None)
            correct, count = correct + hits, count + total
        return correct / max(1, count)

    def _masked_loss(self, batch: Batch, key: str, meter: Meter | None) -> tuple[Tensor, tuple[float, int]]:
        """Mask random positions; return the mean cross-entropy there, with the numbers of correct tokens and positions.

        The masks are seeded by `key` and the batch's first example. The pass is counted in `meter` if one is given.
        """
        # Drawn on the CPU: the same masks on every device.
        noise = torch.rand(
            batch.ids.shape, generator=torch.Generator().manual_seed(seed_of(0, key, *batch.uids[:1]))
        )
        # Special tokens and padding are never masked.
        at = (noise.to(batch.ids.device) < self._settings.mask_rate) & ~batch.special
        ids = batch.ids.masked_fill(at, self._tokens.mask or 0)
        if meter is not None:
            self.network.book(meter, "generator", ids, batch.mask, batch.types, at)
        with autocast(batch.ids.device, self._precision):
            logits = upcast(self.network(ids, batch.mask, batch.types, at))
        targets = batch.ids[at]
        # A mean would be NaN where no position is masked.
        loss = F.cross_entropy(logits, targets, reduction="sum") / max(1, len(targets))
        return loss, (float((logits.argmax(-1) == targets).sum()), len(targets))
