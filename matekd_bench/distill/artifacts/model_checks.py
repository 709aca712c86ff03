"""Checks of the models themselves before anything is trained, on two rows of the task."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.artifact_cache import cached_folder
from matekd_bench.distill.artifacts.kept_student import KeptStudent, StudentCard, save_student
from matekd_bench.distill.data.batches import pad
from matekd_bench.distill.flops import FlopModel, Kind
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.masked_lm import MaskedRowsLM, load_masked_lm, save_masked_lm
from matekd_bench.distill.models.model_inputs import position_count, text_inputs, word_table
from matekd_bench.distill.models.networks import (
    ModelSource,
    load_classifier,
    quiet_transformers,
    weights_digest,
)
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.distill.training.resume import software_versions
from matekd_bench.errors import CheckpointError, ResultsError, first_line
from matekd_bench.files.hashing import short_digest
from matekd_bench.files.scratch import scratch_folder
from matekd_bench.methods.rows import Encoded
from matekd_bench.tasks.task import TaskData

Role = Literal["teacher", "given teacher", "student", "generator"]
Texts = tuple[tuple[str, ...], tuple[str, ...]]  # a short row and a long one
CHECKS = "1"  # increased when a checkpoint that passed has to be checked again
EXAMPLES = 200  # from which a short and a long row are chosen
# Logits that should be equal may differ by rounding: by this much, and by this share of their size.
ROUNDING, RELATIVE_ROUNDING = 1e-5, 1e-4


@dataclass(frozen=True)
class ModelFacts:
    """The result for a model that passed: the reason why it cannot take embeddings, or None if it can."""

    no_embeddings: str | None = None


_known: dict[str, ModelFacts] = {}  # results in this process, by key


@dataclass(frozen=True)
class ModelCheck:
    """A model as a study will use it: its role, how it reads text, and the task whose head it gets."""

    role: Role
    source: ModelSource
    encoder: Encoder
    data: TaskData

    def facts(self) -> ModelFacts:
        """Check the model, unless it passed before with these settings, in this process or an earlier one.

        Raises CheckpointError, in one line that says what to do, if the model would give wrong numbers or none.
        """
        if self._key not in _known:
            _known[self._key] = self._cached_facts()
        return _known[self._key]

    def _cached_facts(self) -> ModelFacts:
        try:
            entry = cached_folder("checks", self._key, lambda folder, _: self._write_facts(folder))
        except ResultsError:  # a cache that can only be read may still have the teacher
            with scratch_folder() as scratch:
                return self.run(scratch)
        return ModelFacts(**json.loads((entry.path / "facts.json").read_text(encoding="utf-8")))

    def _write_facts(self, folder: Path) -> None:
        """Check the model in a folder beside the entry's only file, and remove the files saved there."""
        scratch = folder / "scratch"
        scratch.mkdir()
        facts = self.run(scratch)
        shutil.rmtree(scratch)
        (folder / "facts.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")

    @cached_property
    def _key(self) -> str:
        """A digest of everything that the answers depend on; tasks of one form share them."""
        task = self.data.task
        return short_digest(
            [
                CHECKS, software_versions(), self.role, self.source.identity, self.encoder.sha256,
                self.encoder.max_length, task.outputs, len(self._examples[0]),
            ]
        )  # fmt: skip

    @property
    def _name(self) -> str:
        return f"the {self.role} '{self.source.name}'"

    @property
    def _examples(self) -> Sequence[tuple[str, ...]]:
        examples = self.data.train or self.data.dev[0]
        return examples.texts[:EXAMPLES]

    def run(self, folder: Path) -> ModelFacts:
        """Run every check; `folder` is empty and holds the files that are saved and read again."""
        texts = self._short_and_long()
        if self.role == "generator":
            self._check_generator(texts, folder)
            return ModelFacts()
        task = self.data.task
        model = load_classifier(self.source, task.outputs, task.labels, 0)
        self._check_sizes(model)
        try:
            logits = self._check_alone(model, texts)
        except CheckpointError:
            raise
        except Exception as error:  # every family fails in its own way
            raise self._error(f"can't read a batch of the task's rows ({first_line(error)})") from None
        if self.role == "student":
            self._check_kept(model, texts, logits, folder)
        if self.role == "given teacher":
            self._check_given(texts, logits)
        self._check_flops(FlopModel(model), "forward" if self.role == "given teacher" else "train")
        return ModelFacts(self._embedding_problem(model, texts, logits))

    def _error(self, problem: str, hint: str = "Choose another checkpoint.") -> CheckpointError:
        return CheckpointError(f"{self._name} {problem}.", hint=hint)

    def _short_and_long(self) -> Texts:
        """Return the shortest and the longest row of the first examples; twice the text if all are of one length."""
        texts = list(self._examples)
        lengths = [len(row.ids) for row in self.encoder(texts)]
        short, long = texts[lengths.index(min(lengths))], texts[lengths.index(max(lengths))]
        return short, long if min(lengths) < max(lengths) else tuple(f"{text} {text}" for text in long)

    def _check_sizes(self, model: Any) -> None:
        """Compare the length of rows and the ids of tokens with the sizes of the model's tables."""
        positions, length = position_count(model), self.encoder.max_length
        if positions is not None and positions < length:
            raise self._error(
                f"has {positions} positions, but training.max_length is {length}",
                f"Set max_length = {positions} under [training] in a config file.",
            )
        embedded, tokens = model.get_input_embeddings().num_embeddings, self.encoder.tokens.size
        if tokens > embedded:
            raise self._error(
                f"has embeddings for {embedded} tokens, but its tokenizer has {tokens}",
                "Call model.resize_token_embeddings(len(tokenizer)) and save it.",
            )

    def _check_alone(self, model: Any, texts: Texts) -> Tensor:
        """Check that a short row's logits do not depend on the longer row beside it; return the logits [2, C]."""
        (short, long), padding = self.encoder(texts), self.encoder.tokens.pad
        together = predict(model, [short, long], padding)
        self._check_finite(together)
        self._check_independence(predict(model, [short], padding)[0], together[0])
        # With another length too: Funnel pools pairs of positions, so that only every second length meets padding.
        shorter = _without_a_token(short)
        self._check_independence(
            predict(model, [shorter], padding)[0], predict(model, [shorter, long], padding)[0]
        )
        return together

    def _check_finite(self, logits: Tensor) -> None:
        if not bool(logits.isfinite().all()):
            raise self._error("gives logits that are not finite", "Its weights may be damaged.")

    def _check_independence(self, alone: Tensor, together: Tensor) -> None:
        if _differ(alone, together):
            raise self._error(
                f"gives a row different outputs when a longer row is in the batch (by {_gap(alone, together):.1g}), "
                "because it does not mask its padding"
            )

    def _embedding_problem(self, model: Any, texts: Texts, logits: Tensor) -> str | None:
        """Return why the model cannot be given embeddings in place of ids, None if it can."""
        ids, mask, _, types = pad(self.encoder(texts), self.encoder.tokens.pad)
        inputs = text_inputs(model, mask, types)
        try:
            with torch.no_grad():
                table = word_table(model)
                looked_up = model(inputs_embeds=table(ids), **inputs).logits
                from_rows = model(inputs_embeds=table.weight[ids], **inputs).logits
        except Exception as error:  # every family refuses embeddings in its own way
            return first_line(error).rstrip(".")
        if _differ(looked_up, logits) or _differ(from_rows, logits):
            return "it gives different outputs for ids and for their embeddings"
        return None

    def _check_flops(self, cost: Any, kind: Kind) -> None:
        try:
            cost(kind)(2, 16)
        except Exception as error:  # every family fails in its own way
            raise self._error(f"can't be measured in FLOPs ({first_line(error)})") from None

    def _check_kept(self, model: Any, texts: Texts, logits: Tensor, folder: Path) -> None:
        """Save the student as it will be kept; the suite and plain transformers must read the same student."""
        task = self.data.task
        card = StudentCard(
            run_id="check", task=task.name, labels=task.labels, max_length=self.encoder.max_length,
            precision="float32", eval_batch_size=2, sha256=weights_digest(model),
        )  # fmt: skip
        try:
            save_student(folder, model, self.encoder, card)
            ours = KeptStudent(folder, card.run_id, torch.device("cpu")).logits(texts)
            theirs = _plain_logits(folder, texts)
        except OSError:  # the disk, not the model
            raise
        except Exception as error:  # every family fails in its own way
            raise self._unreadable(f"({first_line(error)})") from None
        if _differ(ours, logits) or _differ(theirs, logits):
            raise self._unreadable(f"with the same answers: they differ by {_gap(theirs, logits):.1g}")

    def _unreadable(self, how: str) -> CheckpointError:
        hint = "Choose another checkpoint."
        if self.source.layers is not None:
            hint = "Name a student checkpoint instead of layers."
        return self._error(f"can't be saved and read again {how}", hint)

    def _check_given(self, texts: Texts, logits: Tensor) -> None:
        """Check that a given teacher answers in the suite as it does in plain transformers, row by row."""
        folder, length = self.source.checkpoint.path, self.encoder.max_length
        theirs = torch.cat([_plain_logits(folder, [row], length) for row in texts])
        if _differ(theirs, logits):
            raise self._error(
                f"gives different outputs in plain transformers (by {_gap(theirs, logits):.1g})",
                "Its tokenizer and config.json may disagree, e.g. on the padding token.",
            )

    def _check_generator(self, texts: Texts, folder: Path) -> None:
        network, _ = load_masked_lm(self.source, 0)
        self._check_sizes(network.model)
        rows = self.encoder(texts)
        try:
            together = self._masked_logits(network, rows)
            alone = self._masked_logits(network, rows[:1])
        except Exception as error:  # every family fails in its own way
            raise self._error(f"can't read a batch of the task's rows ({first_line(error)})") from None
        self._check_finite(together)
        self._check_independence(alone[0], together[0])
        self._check_flops(network.flops, "train")
        save_masked_lm(network, folder)
        again, _ = load_masked_lm(ModelSource(describe(folder, id=self.source.name)), 0)
        if _differ(self._masked_logits(again, rows), together):
            raise self._unreadable("with the same answers")

    @torch.no_grad()
    def _masked_logits(self, network: MaskedRowsLM, rows: Sequence[Encoded]) -> Tensor:
        """Return the vocabulary logits [B, V] at one token of each row."""
        ids, mask, special, types = pad(rows, self.encoder.tokens.pad)
        at = (~special).cumsum(dim=1).eq(1) & ~special
        if self.encoder.tokens.mask is not None:
            ids = ids.masked_fill(at, self.encoder.tokens.mask)
        logits: Tensor = network(ids, mask, types, at)
        return logits


def _without_a_token(row: Encoded) -> Encoded:
    """Return a row without its first token that is not special; the row itself if it has none."""
    at = next((index for index, special in enumerate(row.special) if not special), len(row.ids))
    if len(row.ids) < 2:
        return row
    types = None if row.types is None else row.types[:at] + row.types[at + 1 :]
    return Encoded(row.ids[:at] + row.ids[at + 1 :], types, row.special[:at] + row.special[at + 1 :])


def _plain_logits(folder: Path, texts: Sequence[tuple[str, ...]], max_length: int | None = None) -> Tensor:
    """Return the logits of texts in plain transformers, without this suite."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with quiet_transformers(), torch.no_grad():
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **safe)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **safe
        )
        columns = [list(column) for column in zip(*texts, strict=True)]
        inputs = tokenizer(
            *columns, padding=len(texts) > 1, truncation=True, max_length=max_length, return_tensors="pt"
        )
        known = inspect.signature(type(model).forward).parameters
        logits: Tensor = model.eval()(
            **{name: value for name, value in inputs.items() if name in known}
        ).logits
    return logits


def _gap(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def _differ(first: Tensor, second: Tensor) -> bool:
    """Return True if logits differ by more than rounding."""
    scale = float(torch.maximum(first.abs().max(), second.abs().max()))
    return not _gap(first, second) <= ROUNDING + RELATIVE_ROUNDING * scale
