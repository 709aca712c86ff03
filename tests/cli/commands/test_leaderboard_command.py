"""`leaderboard`, `compare` and `export` on one small real study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench import load_results
from matekd_bench.cli import main
from matekd_bench.results.store.results_store import ResultsStore

Say = Callable[..., str]


@pytest.fixture(scope="module")
def results(
    study_options: tuple[str, ...], tiny_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Three seeds of two methods on two tasks, one of them a regression, whose teacher has learned a little."""
    folder = tmp_path_factory.mktemp("results")
    config = folder.with_suffix(".toml")
    config.write_text(tiny_config.read_text().replace("limit = 4", "limit = 30"))
    chosen = ("--methods", "cutoff,kd@2x", "--tasks", "sst2,stsb", "--seeds", "3")
    assert main(["run", *chosen, "--results", str(folder), *study_options, "--config", str(config)]) == 0
    return folder


@pytest.fixture
def say(results: Path, capsys: pytest.CaptureFixture[str]) -> Say:

    def run(*arguments: str) -> str:
        assert main([*arguments, "--results", str(results)]) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "",
            (
                "kd@2x",
                "none: some runs collapsed",
            ),
        ),
        ("--by task", ("best dev",)),
        ("--cost --sort cost", ("eval s",)),
        ("--diagnostics", ("Diagnostics",)),
        ("--failures", ("collapsed: cutoff on sst2, seed 0: ",)),
    ],
)
def test_views(options: str, said: tuple[str, ...], say: Say) -> None:
    text = " ".join(say("leaderboard", *options.split()).split())
    assert [part for part in said if part not in text] == []


def test_a_table_on_forty_columns(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = say("leaderboard")
    assert max(map(len, text.splitlines())) <= 40
    assert [word for word in ("cutoff", "sst2", "stsb") if word not in text] == []


def test_filters(say: Say) -> None:
    text = say("leaderboard", "--methods", "cutoff", "--tasks", "sst2")
    assert "kd@2x" not in text
    assert "shown: 1 of 3 methods, 1 of 2 tasks" in text
    [row] = [row for row in json.loads(say("leaderboard", "--methods", "kd@2x", "--json")) if row["student"]]
    assert (row["method"], row["budget"]) == ("kd@2x", "student_updates=8")


def test_a_file_holds_the_same_rows_and_columns_as_the_screen(say: Say, tmp_path: Path) -> None:
    view = ("--methods", "CUTOFF", "--tasks", "SST-2")
    path = tmp_path / "view.json"
    say("export", str(path), *view)
    rows = json.loads(path.read_text())
    assert rows == json.loads(say("leaderboard", *view, "--json"))
    assert {row["method"] for row in rows} == {"teacher", "cutoff"}
    assert [key for key in rows[0] if key.startswith("stsb_")] == []


@pytest.mark.parametrize("view", [("--by", "task"), ("--cost",), ("--diagnostics",)])
def test_a_file_holds_the_view(view: tuple[str, ...], say: Say, results: Path, tmp_path: Path) -> None:
    board = load_results(results).leaderboard(by=view[-1].removeprefix("--"), methods="cutoff,kd@2x")
    names = [str(tmp_path / name) for name in ("a.json", "a.md", "a.html")]
    say("export", *names, *view, "--methods", "cutoff,kd@2x")
    rows = json.loads(Path(names[0]).read_text())
    assert rows == json.loads(say("leaderboard", *view, "--methods", "cutoff,kd@2x", "--json"))
    assert {row["method"] for row in rows} == set(board.to_frame()["method"]) == {"cutoff", "kd@2x"}
    assert list(rows[0]) == list(board.to_frame().columns)
    heading = {"--by": "best dev", "--cost": "eval s", "--diagnostics": "divergence_clean"}[view[0]]
    for document in (*(Path(name).read_text() for name in names[1:]), board._repr_html_()):
        assert heading in document


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("export table.tex --cost", "'cost'"),
        ("export cost.svg --by task", "'task'"),
        ("export a.csv --by method", "'method'"),
        ("export a.csv --cost --diagnostics", "--cost and --diagnostics"),
        ("export a.csv --table runs --cost", "--cost"),
        ("leaderboard --by method", "'method'"),
        ("leaderboard --cost --failures", "--cost and --failures"),
        ("leaderboard --sort scor", "'score'"),
        ("leaderboard --match zz", "'zz'"),
        ("leaderboard --methods eda", "'eda'"),
        ("leaderboard --methods kd,cutof", "'cutoff'"),
        ("leaderboard --tasks sst", "'sst2'"),
        ("compare zz yy", "'zz'"),
        ("compare sst2 stsb", "'sst2'"),
        ("compare sst2-kd-0", "RUN_B"),
        ("export a.csv --methods eda", "'eda'"),
        ("export a.csv --table runs --tasks sst2", "--tasks"),
        ("export a.csv --table runs --reference kd", "--reference"),
        ("leaderboard --failures --tasks sst2", "--tasks"),
        ("leaderboard --failures --json", "--json"),
        ("leaderboard --notes --json", "--notes"),
        ("export a.csv --no-cost", "cost"),
        ("export t.tex --columns 3", "3"),
        ("export t.tex --width 3.3", "width"),
    ],
)
def test_mistakes_are_one_line(arguments: str, said: str, results: Path, refused: Callable[..., str]) -> None:
    refused(*arguments.split(), "--results", results, named=said)


def test_files_for_a_paper(say: Say, tmp_path: Path) -> None:
    files = (tmp_path / "t.tex", tmp_path / "forest.svg", tmp_path / "t.csv")
    say("export", *map(str, files), "--columns", "1", "--no-cost", "--width", "3.3", "--no-title")
    assert (r"\begin{table}" in files[0].read_text(), "FLOPs" in files[0].read_text()) == (True, False)
    assert 'width="237.6pt"' in files[1].read_text()


def test_compare(say: Say, results: Path) -> None:
    ids = {
        (run.identity.variant, run.identity.task): run.run_id
        for run in ResultsStore(results).records()
        if run.identity.seed == 1
    }
    text = say("compare", "sst2-cutoff-1", ids["kd", "sst2"])
    assert "these two checkpoints only" in text
    assert "exact McNemar test: p = " in text
    found = json.loads(say("compare", ids["kd", "stsb"], ids["cutoff", "stsb"], "--json"))
    assert (found["test"], found["only_a"], found["n"]) == ("permutation", None, 40)


def test_compare_takes_folders(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = sorted((results / "runs").glob("stsb-*-0-*"))
    assert main(["compare", str(runs[0]), f"{runs[1]}/"]) == 0
    assert runs[0].name in capsys.readouterr().out


def test_compare_takes_a_folder_and_an_id_of_the_default_results(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sorted(run.name for run in (results / "runs").glob("stsb-*-0-*"))[:2]
    elsewhere = shutil.copytree(results, tmp_path / "elsewhere")
    shutil.rmtree(elsewhere / "runs" / second)
    shutil.copytree(results, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(elsewhere / "runs" / first), second]) == 0
    assert second in capsys.readouterr().out


def test_damage_is_named_on_screen(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(results, tmp_path / "copy")
    damaged, lost = sorted((copy / "runs").iterdir())[:2]
    (damaged / "record.json").write_text("{")
    (lost / "predictions.npz").unlink()
    assert main(["leaderboard", "--notes", "--results", str(copy)]) == 0
    printed = capsys.readouterr()
    assert f"warning: {damaged} was left out: " in printed.err
    assert lost.name in " ".join(printed.out.split())
    assert main(["leaderboard", "--results", str(copy), "--results", str(results)]) == 0
