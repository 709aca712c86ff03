"""Devices, caches and models as doctor sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from matekd_bench.distill.artifacts.eviction import size_of
from matekd_bench.study.spec.presets import preset_names, preset_table
from matekd_bench.tools.doctor import caches, devices, preset_models
from matekd_bench.tools.doctor.caches import folder


def test_the_cpu_is_always_there() -> None:
    cpu = next(iter(devices.devices()))
    assert (cpu.name, cpu.state) == ("cpu", "ok")
    assert f"torch uses {torch.get_num_threads()} threads" in cpu.text


@pytest.mark.parametrize(("flags", "precision"), [({"avx"}, "float32"), ({"amx_bf16"}, "bf16")])
def test_what_auto_means_depends_on_the_processor(
    flags: set[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matekd_bench.distill.device.cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    cpu, gpu = devices.devices()
    assert f"precision auto is {precision}; used by default" in cpu.text
    assert ("AMX" in cpu.text) is (precision == "bf16")
    assert (gpu.state, bool(gpu.todo)) == ("missing", True)


def test_a_gpu_takes_the_default_from_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class About:
        name, total_memory = "H200", 140 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: About)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    problems = {0: None, 1: None}
    monkeypatch.setattr("matekd_bench.distill.device.cuda_problem", lambda index=0: problems[index])
    cpu, first, second = devices.devices()
    assert first.text == "H200, 140 GiB; precision auto is bf16; used by default"
    assert "used by default" not in cpu.text + second.text
    assert (first.name, second.name) == ("cuda:0", "cuda:1")
    problems[1] = "no kernel image"
    *_, broken = devices.devices()
    assert (broken.name, broken.state, bool(broken.todo)) == ("cuda:1", "problem", True)
    assert "no kernel image" in broken.text


def test_a_gpu_that_torch_does_not_find_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("matekd_bench.distill.device.unused_gpu", lambda: "the driver is too old")
    *_, gpu = devices.devices()
    assert (gpu.name, gpu.state) == ("gpu", "problem")
    assert "the driver is too old" in gpu.text


def test_a_cache_says_where_it_is_and_how_large(tmp_path: Path) -> None:
    (tmp_path / "teachers").mkdir()
    (tmp_path / "teachers" / "weights").write_bytes(b"0" * 2_500_000)
    (tmp_path / "link").symlink_to(tmp_path / "teachers" / "weights")
    assert size_of(tmp_path) == 2_500_000 + (tmp_path / "link").lstat().st_size
    check = folder("own", tmp_path, "teachers", "MATEKD_BENCH_CACHE")
    assert (check.state, check.text) == ("ok", f"{tmp_path} (teachers): 3 MB; MATEKD_BENCH_CACHE moves it")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "teachers"]  # nothing is left behind


def test_a_cache_that_is_not_made_yet(tmp_path: Path) -> None:
    check = folder("own", tmp_path / "a" / "b", "teachers", "X")
    assert (check.state, "does not exist yet" in check.text) == ("ok", True)
    assert not (tmp_path / "a").exists()


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "cache", Path("/proc/cache")):
        check = folder("own", path, "teachers", "MATEKD_BENCH_CACHE")
        assert check.state == "problem"
        assert f"{path} (teachers) is not writable: " in check.text
        assert check.todo == "set MATEKD_BENCH_CACHE to a writable folder"


def test_both_caches_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "own"))
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hub"))
    own, hub = caches.caches()
    assert own.text.startswith(f"{tmp_path / 'own'} (")
    assert hub.text.startswith(f"{tmp_path / 'hub'} (")


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATEKD_BENCH_CACHE", "~nobody-of-that-name/cache")
    own, _ = caches.caches()
    assert (own.state, own.todo) == ("problem", "set MATEKD_BENCH_CACHE to a folder")


def test_every_preset_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    checks = {check.name: check for check in preset_models.models()}
    assert set(checks) == set(preset_names())
    assert checks["minilm"].state == "ok"
    absent = checks["paper-bert"]
    assert absent.state == "missing"
    assert "google-bert/bert-base-uncased, distilbert/distilbert-base-uncased" in absent.text
    assert absent.todo == "matekd-bench prepare --preset paper-bert --tasks TASKS"


def test_what_is_there_is_told_from_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    teacher = preset_table("paper-bert")["teacher"]
    snapshot = tmp_path / "models--google-bert--bert-base-uncased" / "snapshots" / teacher["revision"]
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_text("{}")
    [check] = [check for check in preset_models.models() if check.name == "paper-bert"]
    assert check.text == (
        "not on this machine: distilbert/distilbert-base-uncased, google/bert_uncased_L-4_H-256_A-4; "
        "present: google-bert/bert-base-uncased"
    )


def test_a_package_that_is_absent_is_installed_with_pip() -> None:
    assert preset_models.todo("x", ["package:no_such_package/model"]) == "pip install no-such-package"
    again = preset_models.todo("x", ["package:matekd_bench/no-such-model"])
    assert again == "install the package matekd_bench again: it is installed without its model"
