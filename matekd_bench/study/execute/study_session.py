"""A study in a process that does not lead it: the same cells, made from the same settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter

from matekd_bench.distill.device import deterministic_kernels, resolve_device
from matekd_bench.distill.training.ddp import ALONE, Ranks
from matekd_bench.events import Sink
from matekd_bench.files.hub.network import offline
from matekd_bench.plugins.host import Host
from matekd_bench.study.execute.orders import Order
from matekd_bench.study.plan.grid import Cell, Grid, make_grid
from matekd_bench.study.plan.tuning import make_tuner
from matekd_bench.study.spec.request import StudyRequest


@dataclass(frozen=True)
class SharedStudy:
    """The description of a study from which another process makes the same cells.

    `plugins` are the plugin files; `only_builtin` excludes installed plugins. `fetching` is set if the study runs
    offline: it is the command that downloads missing files.
    """

    request: StudyRequest
    plugins: tuple[Path, ...] = ()
    only_builtin: bool = False
    fetching: str | None = None

    def to_json(self) -> str:
        """Return one line of ASCII JSON.

        ASCII is safe if the two ends of a pipe differ in encoding, and for paths with any bytes.
        """
        return json.dumps(TypeAdapter(SharedStudy).dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, text: str) -> SharedStudy:
        """Parse a line that :meth:`to_json` wrote."""
        return TypeAdapter(SharedStudy).validate_python(json.loads(text))


class StudySession:
    """A shared study that is open in this process; it keeps the grids of one task at a time.

    `device` is the device of this process; None means the kind of device that the study names.
    """

    def __init__(self, study: SharedStudy, sink: Sink, device: torch.device | None = None) -> None:
        self.study, self._sink = study, sink
        self._host = Host.load(study.plugins, only_builtin=study.only_builtin)
        self.device = device or resolve_device(study.request.execution.device)
        self._task: str | None = None
        self._grids: dict[bool, Grid] = {}  # the grid of the trials is under True

    @contextmanager
    def open(self) -> Iterator[None]:
        """Apply the study's process-wide settings within the block: offline mode and deterministic kernels."""
        network = nullcontext() if self.study.fetching is None else offline(self.study.fetching)
        with network, deterministic_kernels(self.study.request.spec.deterministic):
            yield

    def grid(self, task: str, *, trial: bool, ranks: Ranks = ALONE) -> Grid:
        """Return the grid of the runs on a task or, with `trial`, the grid of their tuning trials."""
        request = self.study.request
        if self._task != task:
            self._task, self._grids = task, {}
        if False not in self._grids:
            spec = request.spec.model_copy(update={"tasks": task})
            self._grids[False] = make_grid(spec, self.device, self._host, self._sink, ranks)
        if trial and True not in self._grids:
            grid = self._grids[False]
            tuner = make_tuner(grid, grid.cells, request.execution.results, self._sink)
            self._grids[True] = tuner.grid
        return self._grids[trial]

    def cell(self, order: Order, ranks: Ranks = ALONE) -> Cell:
        """Return the complete cell of an order's run."""
        return self.grid(order.task, trial=order.trial, ranks=ranks).cell(order.run_id, order.tuning)
