"""A kept student as an ONNX model: export, and its answers in onnxruntime."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from matekd_bench.distill.artifacts.kept_student import KeptStudent
from matekd_bench.distill.models.model_inputs import takes_token_types, text_inputs
from matekd_bench.distill.training.evaluation import answer_in_batches, batch_inputs
from matekd_bench.distill.training.loss import upcast
from matekd_bench.errors import CheckpointError, first_line
from matekd_bench.extras import missing_package
from matekd_bench.methods.rows import Encoded

LIBRARIES: Final = ("onnx", "onnxscript", "onnxruntime")
OUTPUT: Final = "logits"


def check_onnx_installed(libraries: Sequence[str] = LIBRARIES) -> None:
    """Raise UsageError, with the command that installs them, if a library for ONNX is missing."""
    if missing := [name for name in libraries if find_spec(name) is None]:
        raise missing_package("an ONNX model", missing[0])


class _TextClassifier(nn.Module):
    """A classifier that maps a tokenizer's output to logits [B, C], or scores [B, 1]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Answer ids, attention mask and, for models that take them, token types, each [B, L]."""
        inputs = text_inputs(self.model, attention_mask, token_type_ids)
        return upcast(self.model(input_ids=input_ids, **inputs).logits)


def export_onnx(student: KeptStudent, texts: Sequence[tuple[str, ...]], file: Path) -> None:
    """Write a student on the CPU as an ONNX model for any number of rows of any length.

    `texts` are rows to trace it with. Raises CheckpointError if the model cannot be exported.
    """
    # Two rows, since a size of 1 would be taken for fixed.
    inputs = _inputs(student, student.encoder((*texts, *texts)[:2]))
    dynamic = {name: dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC) for name in inputs}
    try:
        with _quiet_exporter(), torch.no_grad():
            program = torch.onnx.export(
                _TextClassifier(student.model).eval(), (), kwargs=inputs, dynamo=True, verbose=False,
                input_names=list(inputs), output_names=[OUTPUT], dynamic_shapes=dynamic,
            )  # fmt: skip
            assert program is not None
            _forget_origin(program.model)
            program.save(file)
    except Exception as error:  # a family that cannot be traced fails in its own way
        reason = first_line(_root_cause(error))
        raise CheckpointError(
            f"student '{student.card.run_id}' ({student.model.config.model_type}) can't be exported to ONNX: {reason}",
            hint="Use its safetensors with transformers, without ONNX.",
        ) from None


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's warnings about itself and its report of a model that cannot be traced."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _root_cause(error: BaseException) -> BaseException:
    """Return the first error of a chain: the later ones name the step of the export."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _forget_origin(model: Any) -> None:
    """Remove the stack traces, which name files of this machine, from all parts of an ONNX model."""
    for graph in (model.graph, *model.functions.values()):
        graph.metadata_props.clear()
        for node in graph.all_nodes():
            node.metadata_props.clear()
            for value in node.outputs:
                value.metadata_props.clear()
        for value in (*graph.inputs, *getattr(graph, "initializers", {}).values()):
            value.metadata_props.clear()


def _inputs(student: KeptStudent, rows: Sequence[Encoded]) -> dict[str, Tensor]:
    """Return the inputs that the ONNX model of a student takes, as a tokenizer returns them."""
    inputs = batch_inputs(student.model, rows, student.encoder.tokens.pad)
    types = ["token_type_ids"] * (student.encoder.has_token_types and takes_token_types(student.model))
    return {name: inputs[name] for name in ("input_ids", "attention_mask", *types)}


def onnx_logits(file: Path, student: KeptStudent, texts: Sequence[tuple[str, ...]]) -> Tensor:
    """Compute the logits [n, C] of the ONNX model in onnxruntime on the CPU, in the batches of the run's evaluation.

    Raises CheckpointError if onnxruntime cannot run the model.
    """
    model = OnnxModel(file, student)
    return model.logits(student.encoder(texts), student.card.eval_batch_size)


class OnnxModel:
    """The ONNX model of a student in onnxruntime, on the CPU with as many threads as torch has.

    Raises CheckpointError, here and in `logits`, if onnxruntime cannot run it.
    """

    def __init__(self, file: Path, student: KeptStudent) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)  # errors only
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._student = student
        with self._named_errors():
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )

    def logits(self, rows: Sequence[Encoded], batch_size: int) -> Tensor:
        """Compute the logits [n, C] of encoded rows."""
        with self._named_errors():
            return answer_in_batches(self._answer, rows, batch_size)

    def _answer(self, batch: Sequence[Encoded]) -> Tensor:
        feed = {name: value.numpy() for name, value in _inputs(self._student, batch).items()}
        return torch.from_numpy(self._session.run([OUTPUT], feed)[0])

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # onnxruntime's errors have no common class of their own
            raise CheckpointError(
                f"the ONNX model of student '{self._student.card.run_id}' fails in onnxruntime: {first_line(error)}",
                hint="Use its safetensors with transformers, without ONNX.",
            ) from None
