"""Attacks on every promise of safety: nothing is executed, read or written that the user did not install or name."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.errors import CheckpointError, ResultsError
from matekd_bench.files.hashing import file_digest
from matekd_bench.results.store.results_store import ResultsStore

REFERENCE = min((Path(__file__).parents[1] / "results" / "reference").glob("*/runs")).parent
TOUCH = "from pathlib import Path\nPath({place!r}).touch()\n"


class Evil:
    """Unpickled, it leaves a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.place,))


@pytest.fixture
def executed(tmp_path: Path) -> Path:
    """A file that is there once foreign code has run."""
    return tmp_path / "executed"


@pytest.fixture
def model(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny_checkpoint.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with one run of a reference study."""
    source, target = ResultsStore(REFERENCE), ResultsStore(tmp_path / "results")
    record = source.records()[0]
    target.write(record, source.read_predictions(record))
    return target.root


def changed(results: Path, **changes: object) -> Path:
    """The record's file with other values at dotted places."""
    [path] = results.glob("runs/*/record.json")
    plain = json.loads(path.read_text())
    for place, value in changes.items():
        *parents, last = place.split("__")
        inside = plain
        for name in parents:
            inside = inside[name]
        inside[last] = value
    path.write_text(json.dumps(plain))
    return path


def test_weights_that_are_a_pickle(model: Path, executed: Path) -> None:
    (model / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.bin"):
        (model / name).write_bytes(pickle.dumps(Evil(executed)))
    with pytest.raises(CheckpointError, match="only safetensors weights are loaded"):
        describe(model, id="evil")
    (model / "model.safetensors").write_bytes(pickle.dumps(Evil(executed)))
    with pytest.raises(CheckpointError, match="can't be loaded"):
        load_classifier(ModelSource(describe(model, id="evil")), 2, ("a", "b"), 0)
    assert not executed.exists()


@pytest.mark.parametrize("kind", ["bert", "evil"])
def test_a_repository_that_asks_for_its_own_code(
    kind: str, model: Path, executed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that transformers knows is loaded with its code; of one that it does not know nothing is asked."""
    config = json.loads((model / "config.json").read_text())
    names = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification", "AutoTokenizer")
    config |= {"model_type": kind, "auto_map": dict.fromkeys(names, "evil.Evil")}
    (model / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((model / "tokenizer_config.json").read_text())
    tokenizer |= {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}
    (model / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (model / "evil.py").write_text(TOUCH.format(place=str(executed)) + "class Evil: pass\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    source = ModelSource(describe(model, id="evil"))
    if kind == "bert":
        assert type(load_classifier(source, 2, ("a", "b"), 0)).__name__ == "BertForSequenceClassification"
        assert Encoder(source.checkpoint, 16)([("a man",)])
    else:
        with pytest.raises(CheckpointError):
            load_classifier(source, 2, ("a", "b"), 0)
    assert not executed.exists()


def test_a_plugin_in_the_working_folder(tmp_path: Path, executed: Path) -> None:
    """Neither a file nor what looks like an installed distribution is taken for a plugin."""
    for name in ("evil.py", "matekd_plugins.py", "torch.py", "typer.py"):
        (tmp_path / name).write_text(TOUCH.format(place=str(executed)))
    metadata = tmp_path / "evil-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[matekd_bench]\nevil = evil\n")
    done = subprocess.run(
        [sys.executable, "-m", "matekd_bench", "plugins"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "evil" not in done.stdout + done.stderr
    assert not executed.exists()


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({"run_id": "../../evil"}, True),
        ({"predictions__path": "../../../secret"}, False),
        ({"predictions__path": "/etc/passwd"}, False),
        ({"data__splits__dev__digest": "../../secret"}, False),
    ],
)
def test_names_in_a_record_that_lead_elsewhere(
    changes: dict[str, object],
    left_out: bool,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "secret.json").write_text("{}")
    if "predictions__path" in changes:
        changes = {**changes, "predictions__sha256": file_digest(tmp_path / "secret")}
    changed(results, **changes)
    assert main(["leaderboard", "--results", str(results)]) == 0
    assert main(["export", str(tmp_path / "t.csv"), "--results", str(results)]) == 0
    assert ("was left out" in capsys.readouterr().err) == left_out
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if "merged" not in path.parts}
    assert main(["merge", str(results), str(tmp_path / "empty"), "-o", str(tmp_path / "merged")]) == 0
    assert {path for path in tmp_path.rglob("*") if "merged" not in path.parts} == before
    assert not [
        path for path in (tmp_path / "merged").rglob("*") if path.name in ("secret", "passwd", "evil")
    ]


@pytest.mark.parametrize("link", ["runs", "run", "record.json", "predictions.npz"])
def test_links_in_a_results_folder_that_lead_out_of_it(
    link: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = next(results.glob("runs/*"))
    place = {"runs": results / "runs", "run": run}.get(link, run / link)
    outside = tmp_path / "outside"
    place.rename(outside)
    place.symlink_to(outside)
    main(["leaderboard", "--results", str(results)])
    printed = capsys.readouterr()
    assert "not followed" in printed.out + printed.err or link == "predictions.npz"
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    main(["merge", str(results), str(tmp_path / "empty"), "-o", str(tmp_path / "merged")])
    assert not [path for path in (tmp_path / "merged").rglob("*") if path.is_symlink() or path.is_file()]


HOSTILE = "=HYPERLINK(1)\x1b]0;owned\x07\u202e<script>alert(1)</script>\r\n@SUM"


def test_names_and_reasons_that_steer_what_shows_them(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal, a spreadsheet and a browser get text."""
    changed(results, identity__variant=HOSTILE, identity__method=HOSTILE, teacher__id=HOSTILE)
    files = [str(tmp_path / name) for name in ("t.csv", "t.html", "t.md")]
    assert main(["export", *files, "--results", str(results)]) == 0
    assert main(["leaderboard", "--results", str(results)]) == 0
    changed(results, status="failed", reason=HOSTILE, scores=[], task_score=None, provenance__command=HOSTILE)
    assert main(["leaderboard", "--failures", "--results", str(results)]) == 0
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(shown)
    page = (tmp_path / "t.html").read_text()
    assert "<script>alert(1)" not in page
    import csv

    with (tmp_path / "t.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "@", "\t", "\r")]
    assert not {"\x1b", "\u202e"} & set((tmp_path / "t.md").read_text())


@pytest.mark.parametrize("place", ["field", "run", "results", "label", "split"])
def test_hostile_names_do_not_reach_the_terminal(
    place: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\u202e\nerror: forged"
    if place == "field":
        changed(results, **{evil: 1})
    elif place == "label":
        changed(results, data__labels=[evil, "b"])
    elif place == "split":
        changed(results, data__splits={evil: {"n": 1, "official_n": 1, "digest": "a"}})
    else:
        folder = next(results.glob("runs/*")) if place == "run" else results
        if place == "results":
            changed(results, schema="x")
            results = folder.rename(tmp_path / evil)
        else:
            folder.rename(folder.with_name(evil))
    for words in (
        ["leaderboard"],
        ["leaderboard", "--json"],
        ["leaderboard", "--verify"],
        ["leaderboard", "--failures"],
    ):
        main([*words, "--results", str(results)])
    printed = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(printed.out + printed.err)
    assert not [line for line in printed.err.splitlines() if line.startswith("error: forged")]


def test_predictions_that_unpack_to_gigabytes(results: Path) -> None:
    run, content = next(results.glob("runs/*")), io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("eval01__dev.npy", "w") as entry,
    ):
        for _ in range(2**9 + 1):
            entry.write(bytes(2**20))
    (run / "predictions.npz").write_bytes(content.getvalue())
    changed(results, predictions__sha256=file_digest(run / "predictions.npz"))
    store = ResultsStore(results)
    record, before = store.read(run.name), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ResultsError, match="unpacks to"):
        store.read_predictions(record)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # kB


def test_formulas_and_code_in_options_are_text(capsys: pytest.CaptureFixture[str], executed: Path) -> None:
    code = f"__import__('pathlib').Path({str(executed)!r}).touch()"
    for words in (
        ["--methods", f"eda[alpha={code}]"], ["--methods", code], ["--methods", "eda", "--set", f"eda.alpha={code}"],
        ["--methods", "eda", "--budget", f"student_updates={code}"],
    ):  # fmt: skip
        assert main(["run", *words, "--tasks", "rte"]) == 2
        assert [line[:7] for line in capsys.readouterr().err.splitlines()][-1] == "error: "
    assert not executed.exists()


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("matekd-bench run --methods kd; rm -rf ~", "  matekd-bench run --methods 'kd;' rm -rf '~'"),
        ("matekd-bench run --methods $(evil)", "  matekd-bench run --methods '$(evil)'"),
        ("rm -rf ~", "  (no command of matekd-bench: 'rm -rf ~')"),
        ("matekd-bench 'run", '  (no command of matekd-bench: "matekd-bench \'run")'),
    ],
)
def test_a_command_in_a_record_that_is_to_be_pasted(
    command: str, shown: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {"status": "failed", "reason": "x", "scores": [], "task_score": None}
    changed(results, **failed, provenance__command=command)
    assert main(["leaderboard", "--failures", "--results", str(results)]) == 0
    assert shown in capsys.readouterr().out.splitlines()
