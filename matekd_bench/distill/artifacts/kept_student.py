"""Save a trained student as a folder that transformers can load, and load it again for predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.model_inputs import pads_left, takes_token_types
from matekd_bench.distill.models.networks import (
    ModelSource,
    load_classifier,
    quiet_transformers,
    weights_digest,
)
from matekd_bench.distill.models.score_units import add_offset
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.distill.training.evaluation import predict
from matekd_bench.errors import CheckpointError
from matekd_bench.files.reading import read_record
from matekd_bench.files.safe_names import STUDENT_CARD

SCHEMA: Final = "matekd.student/1"


@dataclass(frozen=True)
class StudentCard:
    """The facts saved with a student's weights: enough to reproduce its scored predictions to the last bit.

    `sha256` is the digest of the weights in memory (:func:`weights_digest`), not of a file. `offset` is to be added to
    the answers: the mean of a regression's training scores if the student's last layer has no bias that holds it.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "strict": True}

    run_id: str
    task: str
    labels: tuple[str, ...]
    max_length: int
    precision: ResolvedPrecision
    eval_batch_size: int
    sha256: str
    offset: float = 0.0
    schema: str = SCHEMA


def save_student(folder: Path, network: Any, encoder: Encoder, card: StudentCard) -> None:
    """Write weights (safetensors), config, tokenizer and card into an empty folder.

    `AutoModelForSequenceClassification` and `AutoTokenizer` can load it. Raises OSError if it cannot be written.
    """
    from safetensors import SafetensorError

    try:
        with quiet_transformers():
            network.save_pretrained(folder)
        encoder.export(folder, token_types=takes_token_types(network), pads_left=pads_left(network))
    except SafetensorError as error:  # raised when the disk is full
        raise OSError(str(error)) from error
    (folder / STUDENT_CARD).write_text(json.dumps(asdict(card), indent=1) + "\n", encoding="utf-8")


class KeptStudent:
    """A kept student, ready for predictions.

    Raises CheckpointError if its folder is damaged or belongs to another run.
    """

    def __init__(self, folder: Path, run_id: str, device: torch.device) -> None:
        self.card = read_card(folder, run_id)
        outputs = len(self.card.labels) or 1  # regression has no labels and one output
        checkpoint = describe(folder, id=run_id)
        self.model = load_classifier(ModelSource(checkpoint), outputs, self.card.labels, 0).to(device)
        if weights_digest(self.model) != self.card.sha256:
            raise CheckpointError(
                f"'{folder}' is damaged: its weights are not those that run '{run_id}' ended with."
            )
        add_offset(self.model, self.card.offset)
        self.encoder = Encoder(checkpoint, self.card.max_length)

    def logits(self, texts: Sequence[tuple[str, ...]], precision: ResolvedPrecision | None = None) -> Tensor:
        """Compute logits [n, C] in float32, with columns in the order of the card's labels; or scores [n, 1].

        Batch size and, unless another is given, precision are those of the run's evaluation, because both change the
        last bits. Raises CheckpointError if the tokenizer, which no digest covers, gives ids that the model does not
        have.
        """
        rows = self.encoder(texts)
        misfit = CheckpointError(f"the tokenizer of student '{self.card.run_id}' does not fit its model.")
        if max(map(max, (row.ids for row in rows)), default=0) >= len(
            self.model.get_input_embeddings().weight
        ):
            raise misfit  # before the model gets them, since a GPU would be unusable afterwards
        try:
            return predict(
                self.model, rows, self.encoder.tokens.pad,
                batch_size=self.card.eval_batch_size, precision=precision or self.card.precision,
            )  # fmt: skip
        except IndexError:  # more positions or token types than the model has
            raise misfit from None


def read_card(folder: Path, run_id: str) -> StudentCard:
    """Read a student's card. Raises CheckpointError if it is unreadable, of another schema or of another run."""
    file = folder / STUDENT_CARD
    card = read_record(file, StudentCard, CheckpointError)
    if card.schema != SCHEMA or card.run_id != run_id:
        raise CheckpointError(f"'{folder}' holds '{card.schema}' of run '{card.run_id}', not of '{run_id}'.")
    return card
