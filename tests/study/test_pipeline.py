"""What a study says before it trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from event_recorder import EventRecorder
from matekd_bench.events import StudyStarted
from matekd_bench.plugins.host import Host
from matekd_bench.study.execute.placement import Placement
from matekd_bench.study.pipeline import _note_gpu_hours
from matekd_bench.study.plan.study_plan import Plan
from matekd_bench.study.spec.request import make_request

STUDY = StudyStarted(results=Path("results"), preset="mini", methods=("kd",), tasks=("rte",), seeds=(0,))


@pytest.mark.parametrize(
    ("device", "seconds", "said"), [("cuda:1", 9000.0, True), ("cpu", 9000.0, False), ("cuda", None, False)]
)
def test_the_gpu_hours_that_are_left_are_noted_on_a_gpu(
    device: str, seconds: float | None, said: bool
) -> None:
    request = make_request({"methods": "kd", "tasks": "rte"}, Host.load(only_builtin=True))
    placement = Placement(request, torch.device(device), jobs=1, processes=1, notes=())
    recorder = EventRecorder()
    _note_gpu_hours(Plan(study=STUDY, device_seconds=seconds, bases={"a guess": 3}), placement, recorder)
    texts = [event.text for event in recorder.events]
    assert len(texts) == said
    assert all("2.5 GPU-hours" in text and "3 runs from a guess" in text for text in texts)
