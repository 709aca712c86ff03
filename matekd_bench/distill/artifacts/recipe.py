"""The models of a study and how they are prepared, as the keys of artifacts and the ids of runs depend on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from matekd_bench.distill.device import ResolvedPrecision
from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.distill.models.networks import ModelSource
from matekd_bench.distill.models.tokenizers import Encoder, encoder_of
from matekd_bench.distill.settings import GeneratorSettings, TeacherSettings
from matekd_bench.distill.training.ddp import ALONE, Ranks


@dataclass(frozen=True)
class Recipe:
    """The models of a study and how they are prepared; nothing in it depends on the method."""

    teacher: Checkpoint
    teacher_settings: TeacherSettings
    student: ModelSource
    generator: ModelSource | None
    generator_settings: GeneratorSettings | None
    max_length: int
    device: torch.device
    precision: ResolvedPrecision
    ranks: Ranks = ALONE  # the processes that train one run together

    @property
    def student_encoder(self) -> Encoder:
        """The encoder for the student's input.

        This is the teacher's encoder if both share a vocabulary and only the teacher's one gives token types, which the
        teacher needs.
        """
        encoder, teacher = encoder_of(self.student.checkpoint, self.max_length), self.teacher_encoder
        shared = encoder.tokens.vocabulary == teacher.tokens.vocabulary
        return teacher if shared and teacher.has_token_types and not encoder.has_token_types else encoder

    @property
    def teacher_encoder(self) -> Encoder:
        """The encoder for the teacher's input."""
        return encoder_of(self.teacher, self.max_length)
