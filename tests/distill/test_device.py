"""Devices, precision, memory and the global random state."""

from __future__ import annotations

import pytest
import torch

from fake_gpu import CPU, GPU, FakeGPU
from matekd_bench.distill import device as devices
from matekd_bench.errors import UsageError


def test_auto_is_the_best_there_is():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert devices.resolve_device(None).type == best
    assert devices.resolve_device("auto").type == best
    assert devices.resolve_device("cpu") == CPU


@pytest.mark.parametrize(
    ("name", "problem"),
    [("gpu", "unknown"), ("", "unknown"), ("cuda:99", "not available"), ("meta", "not available")],
)
def test_other_devices_are_refused_by_name(name, problem):
    with pytest.raises(UsageError, match=f"'{name}'") as caught:
        devices.resolve_device(name)
    assert problem in str(caught.value)


def test_precision_is_what_was_asked_for():
    assert devices.resolve_precision("float32", CPU) == "float32"
    assert devices.resolve_precision("bf16", CPU) == "bf16"
    assert devices.resolve_precision("auto", torch.device("mps")) == "float32"


@pytest.mark.parametrize(
    ("flags", "precision"), [({"avx512_bf16"}, "float32"), ({"amx_bf16", "fma"}, "bf16"), (set(), "float32")]
)
def test_auto_takes_bf16_on_a_processor_with_matrix_tiles_only(monkeypatch, flags, precision):
    monkeypatch.setattr(devices, "cpu_flags", lambda: frozenset(flags))
    assert devices.resolve_precision("auto", CPU) == precision


def test_peak_memory_grows_with_what_was_allocated():
    devices.reset_peak_memory(CPU)
    before = devices.peak_memory(CPU)
    if before is None:
        pytest.skip("this system does not tell")
    block = torch.ones(64 * 2**20, dtype=torch.uint8)
    assert devices.peak_memory(CPU) >= before + 48 * 2**20
    del block


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3, 2**63 - 1])
def test_draws_are_those_of_the_usual_seeding(seed):
    with devices.contained_randomness(CPU):
        torch.manual_seed(seed)
        usual = torch.rand(5), torch.nn.functional.dropout(torch.ones(50))
        devices.seed_draws(seed, CPU)
        assert torch.rand(5).equal(usual[0])
        assert torch.nn.functional.dropout(torch.ones(50)).equal(usual[1])


@pytest.mark.parametrize(("device", "seeded"), [(GPU, 1), (torch.device("cuda"), 0)])
def test_draws_on_a_gpu_are_seeded_there_and_on_the_cpu_only(monkeypatch, device, seeded):
    gpus = tuple(torch.Generator().manual_seed(0) for _ in range(2))
    monkeypatch.setattr(torch.cuda, "default_generators", gpus)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    with devices.contained_randomness(CPU):
        devices.seed_draws(7, device)
        seeds = [generator.initial_seed() for generator in gpus]
        assert torch.default_generator.initial_seed() == 7
    assert seeds == [7 if index == seeded else 0 for index in range(2)]


def test_the_cpu_does_not_wait_for_what_it_sends_to_a_gpu():
    tensor = torch.arange(3)
    with FakeGPU() as gpu:
        assert devices.send(tensor, GPU).equal(tensor)
        assert devices.send(tensor, CPU) is tensor
    assert (gpu.sent, gpu.waited) == (1, 0)
