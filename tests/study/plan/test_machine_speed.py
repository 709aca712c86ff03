"""When a plan says that other work keeps the machine busy."""

from __future__ import annotations

import os

import pytest
import torch

from matekd_bench.study.plan import machine_speed
from matekd_bench.study.plan.machine_speed import matrix_seconds, matrix_speed, why_busy

CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine of four idle cores with an even speed."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.4, 3.0, 4.0))
    monkeypatch.setattr(machine_speed, "matrix_seconds", lambda device, precision: (1e-9, 1.1e-9, 1.2e-9))
    return monkeypatch


def test_an_idle_machine_is_not_busy(measured: pytest.MonkeyPatch) -> None:
    assert why_busy(CPU) is None


def test_a_load_is_named_with_the_cores(measured: pytest.MonkeyPatch) -> None:
    measured.setattr(os, "getloadavg", lambda: (2.52, 0.0, 0.0))
    assert "load 2.5 on 4 cores" in str(why_busy(CPU))
    assert why_busy(torch.device("cuda")) is None


def test_an_uneven_speed_is_named_with_its_factor(measured: pytest.MonkeyPatch) -> None:
    measured.setattr(machine_speed, "matrix_seconds", lambda device, precision: (1e-9, 1.1e-9, 2.3e-9))
    assert "2.3 times" in str(why_busy(CPU))
    measured.delattr(os, "getloadavg")  # as on Windows
    assert "2.3 times" in str(why_busy(CPU))


def test_the_speed_is_that_of_the_fastest_product() -> None:
    fastest, middle, slowest = matrix_seconds(CPU, "float32")
    assert 0 < fastest <= middle <= slowest
    assert matrix_speed(CPU) == 1 / fastest
