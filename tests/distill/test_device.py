"""Devices, precision, memory and the global random state."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

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


class Gpus:
    """What torch says of the NVIDIA GPUs of a made-up machine, where `problem` keeps it from using them."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, folder: Path, count: int, problem: Exception | None
    ) -> None:
        for number in range(max(1, count)):
            (folder / f"nvidia{number}").touch()
        monkeypatch.setattr(devices, "DEVICE_FILES", folder)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "init", self.use)
        monkeypatch.setattr(torch.cuda, "set_device", self.set_device)
        monkeypatch.setattr(torch, "ones", self.use)
        self.problem, self.current = problem, torch.device("cuda", 0)
        devices.cuda_problem.cache_clear()

    def use(self, *arguments: object, device: torch.device | None = None) -> float:
        if self.problem is not None:
            raise self.problem
        return 1.0

    def set_device(self, device: torch.device) -> None:
        self.current = device


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Gpus]]:
    """Makes a machine with GPUs of what torch is said to find."""
    yield lambda count, problem=None: Gpus(monkeypatch, tmp_path, count, problem)
    devices.cuda_problem.cache_clear()


OLD_DRIVER = RuntimeError(
    "The NVIDIA driver on your system is too old (found version 11040). Please update it.\nMore"
)
NO_KERNEL = RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with")
CPU_WHEEL = AssertionError("Torch not compiled with CUDA enabled")


@pytest.mark.parametrize(
    ("count", "problem", "reason"),
    [(0, OLD_DRIVER, "too old"), (2, NO_KERNEL, "no kernel image"), (0, CPU_WHEEL, "not compiled")],
)
def test_a_gpu_that_torch_cannot_use_is_reported(machine, monkeypatch, count, problem, reason):
    machine(count, problem)
    assert devices.resolve_device("auto") == CPU
    assert reason in devices.unused_gpu()
    assert "\n" not in devices.unused_gpu()
    with pytest.raises(UsageError, match=f"'cuda'.*{reason}"):
        devices.resolve_device("cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")  # hidden on purpose
    assert devices.unused_gpu() is None


def test_a_machine_without_a_gpu_has_nothing_to_report(machine, monkeypatch, tmp_path):
    machine(0, CPU_WHEEL)
    monkeypatch.setattr(devices, "DEVICE_FILES", tmp_path / "none")
    assert devices.unused_gpu() is None


def test_a_gpu_with_a_number_becomes_the_current_one(machine):
    gpus = machine(2)
    assert devices.resolve_device("auto") == torch.device("cuda")
    assert devices.unused_gpu() is None
    assert devices.resolve_device("cuda:1") == gpus.current == torch.device("cuda", 1)
    with pytest.raises(UsageError, match=r"'cuda:2'.* 2 GPUs"):
        devices.resolve_device("cuda:2")


def test_precision_is_what_was_asked_for():
    assert devices.resolve_precision("float32", CPU) == "float32"
    assert devices.resolve_precision("bf16", CPU) == "bf16"
    assert devices.resolve_precision("fp16", CPU) == "fp16"
    assert devices.resolve_precision("auto", torch.device("mps")) == "float32"


@pytest.mark.parametrize(
    ("bf16", "capability", "precision"),
    [(True, (8, 0), "bf16"), (False, (7, 5), "fp16"), (False, (7, 0), "fp16"), (False, (6, 1), "float32")],
)
def test_auto_takes_the_half_precision_that_a_gpu_has(monkeypatch, bf16, capability, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.resolve_precision("auto", torch.device("cuda")) == precision


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


# Where a float64 tensor may be made: on the CPU, or from one that is known to be there.
FLOAT64_HOMES = {
    "matekd_bench/distill/device.py": "in_float64 asks for the device",
    "matekd_bench/distill/data/corpus.py": "scores on the CPU, which `send` takes to a device",
}
PACKAGE = Path(devices.__file__).parents[2]


def makes_float64(node):
    """True for code that makes a tensor float64 on a device that may have none, such as an Apple GPU."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "double":
        before = node.func.value
        return not (
            isinstance(before, ast.Call)
            and isinstance(before.func, ast.Attribute)
            and before.func.attr == "cpu"
        )
    names = {"float64", "double"}
    return isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "torch"


def test_no_tensor_on_a_device_becomes_float64():
    rooms = ("matekd_bench/distill", "matekd_bench/methods", "matekd_bench/tools", "plugins")
    found = {
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for room in rooms
        for file in (PACKAGE / room).rglob("*.py")
        if str(file.relative_to(PACKAGE)) not in FLOAT64_HOMES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if makes_float64(node)
    }
    assert found == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x.double()", True), ("x.cpu().double()", False), ("x.to(torch.float64)", True), ("x.double().cpu()", True),
        ("np.float64", False),
    ],
)  # fmt: skip
def test_the_search_knows_float64(code, found):
    assert any(map(makes_float64, ast.walk(ast.parse(code)))) is found


class OnAppleGpu:
    """As much of a tensor on an Apple GPU as is asked for."""

    device, dtype = torch.device("mps"), torch.float64

    def cpu(self):
        return torch.tensor([1.0])

    def double(self):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    def float(self):
        self.dtype = torch.float32
        return self

    def to(self, device, non_blocking):
        return self.dtype, device


def test_an_apple_gpu_never_sees_float64():
    assert devices.in_float64(OnAppleGpu()).dtype == torch.float64
    assert devices.send(OnAppleGpu(), torch.device("mps")) == (torch.float32, torch.device("mps"))
    scores = torch.ones(2, dtype=torch.float64)
    assert devices.in_float64(torch.ones(2)).dtype == devices.send(scores, CPU).dtype == torch.float64


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
