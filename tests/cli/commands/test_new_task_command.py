"""``tasks new``: from the user's files to a study, and every slip in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main

NEW = ["tasks", "new", "reviews", "--train", "data/train.csv", "--dev", "data/dev.csv"]
COLUMNS = ["--text", "review", "--label", "stars"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two files of reviews."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for split, count in (("train", 24), ("dev", 16)):
        rows = [
            f"the {split} film number {at} is {('bad', 'good')[at % 2]},{('neg', 'pos')[at % 2]}"
            for at in range(count)
        ]
        (tmp_path / "data" / f"{split}.csv").write_text("review,stars\n" + "\n".join(rows) + "\n")
    return tmp_path


def test_from_files_to_a_leaderboard(
    folder: Path, study_options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*NEW, *COLUMNS, "--folder", "tasks"]) == 0
    out = capsys.readouterr().out
    for part in (
        "reviews: classification of single texts", "neg, pos", "accuracy", "median 7, longest 7", "neg 12, pos 12",
        "the train film number 0 is bad", "wrote tasks/reviews.toml", "--plugin tasks/reviews.toml --tasks reviews",
    ):  # fmt: skip
        assert part in out
    assert 'train = "../data/train.csv"' in (folder / "tasks" / "reviews.toml").read_text()

    plugin = ["--plugin", "tasks"]  # a folder of such files is a plugin too
    assert main(["tasks", "show", "reviews", *plugin]) == 0
    assert main(["run", *study_options, *plugin, "--methods", "kd", "--tasks", "reviews"]) == 0
    assert main(["leaderboard", "--notes", *plugin]) == 0
    out = capsys.readouterr().out
    assert "reviews: own; 16 dev; accuracy" in out
    assert "GLUE" not in out
    [record] = (folder / "results" / "runs").glob("*/record.json")
    data = json.loads(record.read_text())["data"]
    assert (data["source"], data["state"], data["labels"]) == ("own", "own", ["neg", "pos"])
    assert main(["leaderboard"]) == 0  # the record is enough where the task is not given
    assert "reviews" in capsys.readouterr().out


def test_one_file_in_another_encoding_to_predictions_by_the_commands_that_are_printed(
    folder: Path, study_options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{('ham', 'spam')[at % 4 == 0]},caf\u00e9 {at},," for at in range(60)]
    (folder / "spam.csv").write_bytes("\n".join(["v1,v2,,", *rows, "ham,\u2019s,more,"]).encode("cp1252"))
    first = [
        "tasks",
        "new",
        "spam",
        "--train",
        "spam.csv",
        "--text",
        "v2",
        "--label",
        "v1",
        "--dev-share",
        "0.2",
    ]
    assert main(first) == 2
    again = capsys.readouterr().err.partition("Next: matekd-bench ")[2].split()
    assert again == [*first, "--encoding", "cp1252"]
    assert main(again) == 0
    printed = capsys.readouterr()
    assert "1 of 61 rows" in printed.err
    study = printed.out.partition("next: matekd-bench ")[2].split()
    assert study[-4:] == ["--methods", "matekd,eda", "--preset", "minilm"]
    options = [option for option in study_options if option != "--quiet"]
    assert main([*study[:-4], "--methods", "kd", *options]) == 0  # a tiny model in place of the preset
    predict = capsys.readouterr().out.partition("Next: 'matekd-bench ")[2].partition("'")[0].split()
    assert main(predict) == 0
    assert "wrote 12 predictions" in capsys.readouterr().out
    assert len((folder / "predictions.csv").read_text().splitlines()) == 13


def test_rows_without_a_label_are_counted_before_training_and_in_the_record(
    folder: Path, study_options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "data" / "train.csv").open("a") as train:
        train.writelines(f"film number {at} without a word on it,\n" for at in range(30))
    assert main([*NEW, *COLUMNS]) == 0
    printed = capsys.readouterr()
    assert "neg 12, pos 12; no label 30" in printed.out
    assert "30 of 54 training rows have no label" in printed.err
    options = [option for option in study_options if option != "--quiet"]
    study = ["run", *options, "--plugin", "reviews.toml", "--methods", "finetune", "--tasks", "reviews"]
    assert main(study) == 0
    assert "note: reviews: 30 of 54 training rows have no label" in capsys.readouterr().err
    for record in (folder / "results" / "runs").glob("*/record.json"):
        data = json.loads(record.read_text())["data"]
        assert (data["splits"]["train"]["n"], data["splits"]["train"]["unlabeled"]) == (54, 30)
        assert "unlabeled" not in data["splits"]["dev"]
        assert data["majority_score"] == 0.5


def test_a_metric_of_evaluate_scores_a_study_and_what_is_no_score_trains_nothing(
    folder: Path,
    study_options: tuple[str, ...],
    write_metric: Callable[..., Path],
    refused: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*NEW, *COLUMNS]) == 0
    file = folder / "reviews.toml"
    file.write_text(f'{file.read_text()}metrics = ["accuracy", "evaluate:hits.py"]\n')
    study = ["run", *study_options, "--plugin", "reviews.toml", "--methods", "kd", "--tasks", "reviews"]
    write_metric(folder / "hits.py", "return {'percent': 100.0}")
    refused(*study, named=("'evaluate:hits'", "100"))
    assert not (folder / "results" / "runs").exists()
    write_metric(
        folder / "hits.py", "return {'a': sum(map(int.__eq__, predictions, references)) / len(references)}"
    )
    assert main(study) == 0
    capsys.readouterr()
    [path] = (folder / "results" / "runs").glob("*/record.json")
    record = json.loads(path.read_text())
    [first, second] = [score for score in record["scores"] if score["selection"] == "last"]
    assert (first["metric"], second["metric"].partition("@")[0]) == ("accuracy", "evaluate:hits")
    assert first["value"] == second["value"] == record["task_score"]["last"]
    assert main(["leaderboard", "--verify", "--json"]) == 0
    assert record["run_id"] in json.loads(capsys.readouterr().out)["verification"]["unverifiable"]
    write_metric(folder / "hits.py", "return {'a': float(predictions == references)}")
    assert main([*study, "--dry-run"]) == 0
    assert "to do" in capsys.readouterr().out  # another metric makes another run


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([*NEW, "--text", "reviw", "--label", "stars"], ("'reviw'", "'data/train.csv'", "'review'")),
        ([*NEW, "--text", "a,b,c", "--label", "stars"], ("--text", "'a,b,c'")),
        ([*NEW, *COLUMNS, "--metrics", "acuracy"], ("'acuracy'", "'accuracy'")),
        ([*NEW, *COLUMNS, "--metrics", "pearson"], ("'pearson'", "classification")),
        ([*NEW, *COLUMNS, "--labels", "neg,positive"], ("'pos'", "neg, positive")),
        ([*NEW, *COLUMNS, "--kind", "regression"], ("'neg'", "number")),
        (["tasks", "new", "reviews", "--train", "data/train.csv", *COLUMNS], ("--dev FILE", "--dev-share")),
        ([*NEW, "--dev-share", "0.2", *COLUMNS], ("'dev'", "'dev_share'")),
        ([*NEW, "--encoding", "cp9999", *COLUMNS], ("'cp9999'",)),
        ([*NEW[:4], "none.csv", *NEW[5:], *COLUMNS], ("--train", "'none.csv'")),
        (["tasks", "new", "rte", *NEW[3:], *COLUMNS], ("'rte'",)),
        (["tasks", "new", "My Task", *NEW[3:], *COLUMNS], ("'My Task'",)),
        (["run", "--tasks", "mine", "--methods", "kd"], ("'mine'", "'mine.toml'")),
        (["run", "--tasks", "kd", "--methods", "kd", "--plugin", "no.toml"], ("no.toml",)),
        (["tasks", "--plugin", "data"], ("data", "*.toml", "suites.toml", "'presets'")),
        (["tasks", "--plugin", "mine.toml"], ("mine.toml'", "'kind'")),
    ],
)
def test_slips_are_one_line(
    folder: Path, arguments: list[str], named: tuple[str, ...], refused: Callable[..., str]
) -> None:
    (folder / "mine.toml").write_text('name = "mine"\n')
    refused(*arguments, named=named)
    assert not (folder / "reviews.toml").exists()


def test_nothing_is_overwritten(folder: Path, refused: Callable[..., str]) -> None:
    (folder / "reviews.toml").write_text("mine")
    refused(*NEW, *COLUMNS, named="'reviews.toml'")
    assert (folder / "reviews.toml").read_text() == "mine"


def test_a_folder_may_hold_suites_and_presets(
    folder: Path, refused: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*NEW, *COLUMNS, "--folder", "lab"]) == 0
    (folder / "lab" / "suites.toml").write_text('[ours]\ntasks = ["reviews"]\n')
    (folder / "lab" / "presets").mkdir()
    (folder / "lab" / "presets" / "short.toml").write_text('preset = "mini"\nbudget.limit = 7\n')
    (folder / "lab" / "presets" / "wrong.toml").write_text('preset = "mini"\nbudgets.limit = 7\n')
    run = ["run", "--plugin", "lab", "--methods", "kd", "--tasks", "ours", "--dry-run"]
    assert main([*run, "--preset", "short"]) == 0
    assert "kd      reviews  0     7        to do" in capsys.readouterr().out
    refused(*run, "--preset", "wrong", named=("'wrong'", "'budgets'", "'budget'"))
