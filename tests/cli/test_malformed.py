"""Hundreds of files that somebody, or a disk, has mangled: each ends in one clear line, none in a traceback."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from matekd_bench.cli import main
from matekd_bench.files.durable import MANIFEST, seal
from matekd_bench.files.hashing import file_digest
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore

HOST = Host.load(only_builtin=True)
SECONDS, MEMORY = 120, 10**6  # of a hang; kilobytes that all of it may take
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**400, 1e308, -1e308, "", "../../etc/passwd", "\0", "\ud83d", "é" * 300),
    *([], {}, [[]], {"a": {"b": []}}, "NaN", "=1+1", "<script>", 2**63, "1e999", [None] * 50),
)
BYTES = (b"\0", b"\xff\xfe", b"NaN", b"Infinity", b"1e999", b'"', b"'", b"{", b"[" * 5000, b"\t", b"\n", b"\r",
         b"=", b"-", b"\\ud800", b"9" * 5000, b"\xed\xa0\x80", b"null", b"true")  # fmt: skip

Options = tuple[str, ...]


def mangled(content: bytes, rng: random.Random) -> bytes:
    """A file with something wrong: cut, repeated, overwritten, or with an odd piece in it."""
    at, length = rng.randrange(len(content) + 1), rng.randrange(1, 40)
    match rng.randrange(6):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + length :]
        case 2:
            return content[:at] + content[at : at + length] * rng.randrange(2, 5) + content[at + length :]
        case 3:
            return content[:at] + rng.choice(BYTES) + content[at:]
        case 4:
            return content[:at] + rng.randbytes(length) + content[at + length :]
        case _:
            return rng.choice((b"", b"\0" * 64, content[::-1], rng.randbytes(200)))


def misfit(plain: Any, rng: random.Random) -> Any:
    """A JSON value in which one thing is another, is missing, or has another name."""
    if isinstance(plain, dict) and plain and rng.random() < 0.9:
        key = rng.choice(sorted(plain))
        match rng.randrange(8):
            case 0:
                return {name: value for name, value in plain.items() if name != key}
            case 1:
                return {**plain, f"{key}x": rng.choice(ODD)}
            case _:
                return {**plain, key: misfit(plain[key], rng)}
    if isinstance(plain, list) and plain and rng.random() < 0.8:
        at = rng.randrange(len(plain))
        return [*plain[:at], misfit(plain[at], rng), *plain[at + 1 :]]
    return rng.choice(ODD)


def mangle(path: Path, rng: random.Random) -> None:
    """Mangles a file in place, JSON half of the time by its structure."""
    content = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.6:
        path.write_text(json.dumps(misfit(json.loads(content), rng)), encoding="utf-8", errors="replace")
    else:
        path.write_bytes(mangled(content, rng))


@pytest.fixture(autouse=True)
def one_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins are loaded once for all of this."""
    monkeypatch.setattr("matekd_bench.cli.ui.console.load_host", lambda *_: HOST)
    monkeypatch.setattr("matekd_bench.cli.commands.results_commands.load_host", lambda *_: HOST)


@pytest.fixture(scope="module")
def memory() -> Iterator[Callable[[], None]]:
    """Fails where all of this has taken more memory than it may."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield lambda: None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


def ends_well(words: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> int:
    """Runs a command that may fail, but in a decent way; its exit code."""

    def hang(*_: object) -> None:
        raise TimeoutError(f"{what} hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        code = main(words)
    except BaseException as error:
        raise AssertionError(f"{what}: {' '.join(words)}") from error
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    printed = capsys.readouterr()
    assert code in (0, 1, 2), what
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (code == 2), (what, printed.err)
    assert "Traceback" not in printed.err, what
    assert all(len(line) < 2000 for line in printed.err.splitlines()), what
    return code


@pytest.fixture(scope="module")
def results(study_options: Options, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of kd and eda on one task."""
    folder = tmp_path_factory.mktemp("whole")
    command = ["run", *study_options, "--methods", "eda", "--tasks", "sst2", "--results", str(folder)]
    assert main(command) == 0
    return folder


def test_results(
    results: Path, tmp_path: Path, memory: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    rng, codes = random.Random(7), set()
    capsys.readouterr()
    names = sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())
    for number in range(130):
        folder = tmp_path / str(number)
        shutil.copytree(results, folder)
        file = folder / names[number % len(names)]
        mangle(file, rng)
        if file.name == "predictions.npz" and rng.random() < 0.7:  # so that it is read at all
            record = file.with_name("record.json")
            plain = json.loads(record.read_text())
            plain["predictions"]["sha256"] = file_digest(file)
            record.write_text(json.dumps(plain))
        place = ["--results", str(folder)]
        words = rng.choice((
            ["leaderboard", *place], ["leaderboard", "--json", *place], ["leaderboard", "--failures", *place],
            ["export", str(folder / "t.csv"), str(folder / "t.md"), *place],
            ["compare", "sst2-kd", "sst2-eda", *place], ["merge", str(results), str(folder), "-o", str(folder / "m")],
        ))  # fmt: skip
        codes.add(ends_well(words, f"{number}: {file.name}", capsys))
        shutil.rmtree(folder)
    assert codes == {0, 2}


def test_tables_of_text(
    study_options: Options, small_glue: Path, tmp_path: Path, memory: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rng, codes = random.Random(11), set()
    for number in range(60):
        folder = tmp_path / str(number)
        shutil.copytree(small_glue, folder)
        task, name = (("rte", "RTE"), ("sst2", "SST-2"), ("stsb", "STS-B"))[number % 3]
        mangle(folder / name / f"{rng.choice(('train', 'dev'))}.tsv", rng)
        words = [
            "run",
            *study_options,
            "--glue-dir",
            str(folder),
            "--methods",
            "kd",
            "--tasks",
            task,
            "--dry-run",
        ]
        codes.add(ends_well(words, f"{number}: {name}", capsys))
    assert codes == {0, 2}


SETTINGS = """\
preset = "minilm"
methods = "eda[alpha=0.1|0.2]"
tasks = "rte"
seeds = 2
sets = { "eda.alpha" = 0.2 }

[teacher]
checkpoint = "here"
optimizer = { lr = 1e-3, batch_size = 16 }
budget = { limit = 4 }

[training]
evaluations = 2
max_length = 64
objective = { gold = 0.5, soft = 0.5, temperature = 2 }
"""


def test_config_files(
    study_options: Options, tmp_path: Path, memory: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    rng, codes = random.Random(13), set()
    file = tmp_path / "study.toml"
    for number in range(70):
        text = SETTINGS
        if rng.random() < 0.6:  # a value that does not fit
            lines = text.splitlines()
            at = rng.choice([at for at, line in enumerate(lines) if "=" in line])
            odd = json.dumps(rng.choice(ODD), ensure_ascii=True)
            lines[at] = f"{lines[at].split('=')[0]}= {odd}"
            text = "\n".join(lines)
        content = text.encode("utf-8", "replace")
        file.write_bytes(content if text != SETTINGS else mangled(content, rng))
        words = [
            "run",
            *study_options[2:],
            "--config",
            str(file),
            "--methods",
            "eda",
            "--tasks",
            "rte",
            "--dry-run",
        ]
        codes.add(ends_well(words if rng.random() < 0.5 else words[:-5] + words[-1:], f"{number}", capsys))
    assert codes == {0, 2}


def test_checkpoints(
    study_options: Options, tiny_checkpoint: Path, tmp_path: Path, memory: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """As teacher and student at once. What is only found while a run begins costs the run, with the reason."""
    rng, codes = random.Random(17), set()
    names = sorted(
        path.name for path in tiny_checkpoint.iterdir() if path.name not in ("vocab.txt", "README.md")
    )
    for number in range(16):
        folder = tmp_path / f"model-{number}"
        shutil.copytree(tiny_checkpoint, folder)
        name = names[number % len(names)]
        mangle(folder / name, rng)
        study = ("--teacher", str(folder), "--methods", "kd", "--reference", "none", "--tasks", "rte")
        small = ("--limit-train", "8", "--limit-eval", "4", "--budget", "student_updates=1")
        words = ["run", *study_options, *study, *small, "--results", str(tmp_path / f"results-{number}")]
        codes.add(ends_well(words, f"{number}: {name}", capsys))
    assert codes >= {0, 2}


def test_checkpoints_of_interrupted_runs(
    study_options: Options, tmp_path: Path, memory: Callable[[], None], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    rng = random.Random(19)
    fixed = ["run", *study_options, "--methods", "kd", "--reference", "none", "--tasks", "rte", "--results"]
    with monkeypatch.context() as patch:
        patch.setattr("matekd_bench.results.store.under_way.RunUnderWay.remove", lambda self: None)
        patch.setattr("matekd_bench.distill.training.checkpoint_saver.SAVE_SECONDS", 0.0)
        patch.setattr("matekd_bench.files.durable.KEPT", 1)
        assert main([*fixed, str(tmp_path / "whole")]) == 0
    expected = ResultsStore(tmp_path / "whole").records()[0].predictions
    for number in range(6):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole" / "runs" / ".partial", folder / "runs" / ".partial")
        [place] = (folder / "runs" / ".partial").glob("*/0*")
        mangle(place / ("state.pt", "module-0.safetensors", MANIFEST)[number % 3], rng)
        if number % 3 < 2:  # as if it had been written so
            (place / MANIFEST).unlink()
            seal(place)
        code = ends_well([*fixed, str(folder)], f"{number}", capsys)
        [record] = ResultsStore(folder).records()
        assert code == (record.status == "failed")
        if number % 3 == 2:
            assert record.predictions == expected
