"""Records, configs and students that a disk or a stranger has changed: one line or a right answer, and no harm."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from matekd_bench.cli import main
from matekd_bench.distill.artifacts.kept_student import StudentCard, save_student
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier, weights_digest
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.files.hashing import bytes_digest
from matekd_bench.results.records.predictions import Predictions
from matekd_bench.results.store.results_store import ResultsStore
from mutations import damage_file, damage_folder
from synthetic import make, scored

SECONDS = 60  # until a command counts as hanging
MEMORY = 1.5 * 2**20  # kB that a command may take more than those before it
CONFIG = """\
preset = "mini"
methods = "kd,eda[alpha=0.2]"
tasks = "rte"
seeds = 1
threads = 1

[student]
checkpoint = "layers:2"

[training]
evaluations = 2
max_length = 32
optimizer = { lr = 7e-4, batch_size = 8, clip = 1.0 }

[budget]
kind = "student_updates"
limit = 8

[sets.eda]
num_aug = 1
"""


@pytest.fixture(scope="module")
def student(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kept student, as a run saves it."""
    folder = tmp_path_factory.mktemp("student") / "kept"
    folder.mkdir()
    checkpoint = describe(tiny_checkpoint, id="tiny")
    labels = make().data.labels
    network = load_classifier(ModelSource(checkpoint), 2, labels, 0)
    card = StudentCard(
        run_id=make().run_id, task="rte", labels=labels, max_length=16, precision="float32", eval_batch_size=4,
        sha256=weights_digest(network),
    )  # fmt: skip
    save_student(folder, network, Encoder(checkpoint, 16), card)
    return folder


@pytest.fixture
def place(tmp_path: Path, student: Path) -> Path:
    """A folder with results, a config, a second results folder, a place for output, and things to be left alone."""
    uids, labels = tuple("abcdef"), (0, 1, 1, 0, 1, 0)
    for name, methods in (("results", ("kd", "eda")), ("other", ("kd",))):
        store = ResultsStore(tmp_path / name)
        store.write_data("dev-rte", task="rte", split="dev", uids=uids, labels=labels)
        for number, method in enumerate(methods):
            rng = np.random.default_rng(number)
            logits = tuple({"dev": rng.normal(size=(6, 2)).astype(np.float32)} for _ in range(2))
            predictions = Predictions(logits, {"dev": uids})
            record = scored(make(method, majority_score=0.5), predictions, {"dev": labels})
            store.write(record, predictions, [{"update": 1, "loss": 0.5}], study={"preset": "mini"})
    kept = tmp_path / "results" / "students" / make().run_id
    kept.mkdir(parents=True)
    for path in student.iterdir():
        (kept / path.name).write_bytes(path.read_bytes())
    (tmp_path / "study.toml").write_text(CONFIG)
    (tmp_path / "texts.csv").write_text("sentence1,sentence2\na man,a dog\n")
    for name in ("secret", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret" / "a").write_text("{}")
    (tmp_path / "secret" / ".tmp-notes").write_text("mine")
    os.utime(tmp_path / "secret" / ".tmp-notes", (0, 0))
    return tmp_path


def commands(place: Path) -> list[list[str]]:
    """The commands that meet damage; the last one reads the student, the one before it the config."""
    results, run_id = place / "results", make().run_id
    return [
        ["leaderboard"],
        ["leaderboard", "--verify", "--json"],
        ["leaderboard", "--failures"],
        ["export", *(str(place / "out" / f"t.{kind}") for kind in ("csv", "md", "html", "tex", "json"))],
        ["export", str(place / "out" / "t.csv"), "--table", "runs"],
        ["merge", str(results), str(place / "other"), "-o", str(place / "out" / "merged")],
        ["compare", run_id, make("eda").run_id],
        ["reproduce", run_id, "--into", str(place / "out" / "again")],
        ["run", "--config", str(place / "study.toml"), "--dry-run"],
        ["predict", run_id, "--file", str(place / "texts.csv"), "--device", "cpu"],
    ]


def damage(place: Path, rng: random.Random) -> tuple[str, list[str]]:
    """Damage something, and return what was done and a command that meets it."""
    results, outside = place / "results", place / "secret"
    run = results / "runs" / make().run_id
    *reading, predicting = commands(place)
    match rng.choice(
        ("record", "record", "run file", "data", "student", "student", "config", "config", "folder")
    ):
        case "record":
            done, command = damage_file(run / "record.json", rng, outside), rng.choice(reading)
            reseal(run, rng)
        case "run file":
            done = damage_file(rng.choice(sorted(run.iterdir())), rng, outside)
            command = rng.choice(reading)
            reseal(run, rng)
        case "data":
            done = damage_file(results / "data" / "dev-rte.json", rng, outside)
            command = rng.choice(reading)
        case "student":
            done = damage_file(rng.choice(sorted((results / "students" / run.name).iterdir())), rng, outside)
            command = predicting
        case "config":
            done = damage_file(place / "study.toml", rng, outside)
            command = reading[-1]
        case _:
            parts = (
                run,
                results / "runs",
                results / "data",
                results / "students",
                results / "students" / run.name,
            )
            done, command = damage_folder(rng.choice(parts), rng, outside), rng.choice([*reading, predicting])
    return done, with_results(command, results)


def with_results(command: list[str], results: Path) -> list[str]:
    return command if command[0] == "merge" else [*command, "--results", str(results)]


def reseal(run: Path, rng: random.Random) -> None:
    """Half of the time, let a record that can still be read name the digest of its predictions as they are now."""
    record, predictions = run / "record.json", run / "predictions.npz"
    small = all(path.is_file() and path.stat().st_size < 2**20 for path in (record, predictions))
    if small and rng.random() < 0.5:
        text = record.read_bytes()
        start = text.find(b'"sha256": "', text.find(b'"predictions": {'))
        if start > 0:
            digest = bytes_digest(predictions.read_bytes()).encode()
            record.write_bytes(text[: start + 11] + digest + text[start + 75 :])


def contents(place: Path) -> dict[str, object]:
    """What everything but the place for output is: type, mode, size, time and content."""
    found: dict[str, object] = {}
    for home, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if Path(home, name) != place / "out")
        for name in (*folders, *files):
            path = Path(home, name)
            status = path.lstat()
            small = stat.S_ISREG(status.st_mode) and status.st_size < 2**20 and status.st_mode & 0o400
            found[str(path)] = (
                status.st_mode,
                status.st_size,
                status.st_mtime_ns,
                small and path.read_bytes(),
            )
    return found


@contextmanager
def watchdog() -> Iterator[None]:
    """Raise TimeoutError in what hangs."""

    def stop(*_: object) -> None:
        raise TimeoutError("the command hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(
    seed: int, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done, command = damage(place, random.Random(seed))
    before, memory = contents(place), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with watchdog():
        code = main(command)
    printed = capsys.readouterr()
    told = f"{done}: {' '.join(command)}: exit {code}: {printed.err[-500:]}"
    assert code in (0, 1, 2), told
    assert "Traceback" not in printed.out + printed.err, told
    assert not {"\x1b", "\x07", "\x00", "\u202e"} & set(printed.out + printed.err), told
    if code == 2:
        assert [line[:7] for line in printed.err.splitlines() if line.startswith("error: ")] == ["error: "], (
            told
        )
        assert len(printed.err.splitlines()[-1]) < 2000, told
    assert contents(place) == before, told
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEMORY, told


def test_without_damage_the_commands_work(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    codes = {command[0]: main(with_results(command, place / "results")) for command in commands(place)}
    assert {name for name, code in codes.items() if code} == {"reproduce"}, capsys.readouterr().err


def test_a_tokenizer_that_does_not_fit_its_student(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [file] = (place / "results" / "students").glob("*/tokenizer.json")
    plain = json.loads(file.read_text())
    plain["model"]["vocab"]["dog"] = 10**6
    file.write_text(json.dumps(plain))
    assert main(with_results(commands(place)[-1], place / "results")) == 2
    assert make().run_id in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="FIFOs, links and alarms are POSIX's")
@pytest.mark.parametrize("seed", range(30))
def test_damage_is_one_line_or_no_matter(
    seed: int, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(seed, place, capsys, monkeypatch)


@pytest.mark.full
@pytest.mark.skipif(os.name != "posix", reason="FIFOs, links and alarms are POSIX's")
@pytest.mark.parametrize("seed", range(30, 300))
def test_much_damage_is_one_line_or_no_matter(
    seed: int, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(seed, place, capsys, monkeypatch)
