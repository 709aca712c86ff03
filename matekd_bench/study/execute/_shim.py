"""Temporary."""

from __future__ import annotations

from typing import Any

from matekd_bench.distill.artifacts.task_assets import TaskAssets as RealAssets
from matekd_bench.distill.student_run import train as real_train
from matekd_bench.distill.training.outcome import RunCallbacks
from matekd_bench.events import NO_SINK, Evaluated, Message, Progress, Sink


def TaskAssets(data: Any, recipe: Any, sink: Sink = NO_SINK, stopping: Any = lambda: False) -> Any:  # noqa: N802
    return RealAssets(
        data,
        recipe,
        stage=lambda text: sink.emit(Message(kind="stage", text=text)),
        progress=lambda done, limit, loss: sink.emit(Progress(done=done, limit=limit, loss=loss)),
        warn=lambda text: sink.emit(Message(kind="warning", text=text)),
        stopping=stopping,
    )


def train(
    job: Any, assets: Any, sink: Sink = NO_SINK, *, stopping: Any = lambda: False, checkpoints: Any = None
) -> Any:
    last = [0, 0, None]

    def progress(done: int, limit: int, loss: Any, left: Any) -> None:
        last[:] = [done, limit, loss]
        sink.emit(Progress(done=done, limit=limit, loss=loss, seconds_left=left))

    def evaluated(number: int, total: int, score: float) -> None:
        sink.emit(
            Evaluated(number=number, total=total, score=score, spent=last[0], limit=last[1], loss=last[2])
        )

    callbacks = RunCallbacks(
        progress, evaluated, lambda text: sink.emit(Message(kind="note", text=text)), stopping
    )
    return real_train(job, assets, callbacks, checkpoints)
