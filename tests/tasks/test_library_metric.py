"""Metrics of evaluate that a task file names: what they give is a score or refused, and their code runs only in use."""

from __future__ import annotations

import pickle
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matekd_bench import borrowed_random
from matekd_bench.errors import DataError, RunError
from matekd_bench.tasks.library_metric import LibraryMetric, read_metrics
from matekd_bench.tasks.metrics import check_library_metrics, score_predictions
from matekd_bench.tasks.task import Examples, Task, TaskData
from matekd_bench.tasks.task_files import load_task_file, load_tasks

Write = Callable[..., Path]
HITS = "return {'hits': sum(map(int.__eq__, predictions, references)) / len(references)}"
GOLD = (0, 1, 1, 2)


@pytest.fixture
def task_with(tmp_path: Path, write_metric: Write) -> Callable[..., Task]:
    """A task file's task whose only metric is a script with this code."""

    def make(code: str, kind: str = "classification") -> Task:
        value = "float64" if kind == "regression" else "int64"
        write_metric(tmp_path / "mine.py", code, value=value)
        labels = "" if kind == "regression" else 'labels = ["a", "b", "c"]\n'
        (tmp_path / "own.toml").write_text(
            f'name = "own"\nkind = "{kind}"\ntexts = ["text"]\nlabel = "y"\n{labels}'
            'train = "t.csv"\ndev = "d.csv"\nmetrics = ["evaluate:mine.py"]\n'
        )
        return load_task_file(tmp_path / "own.toml")

    return make


def data_of(task: Task, gold: tuple[Any, ...] = GOLD) -> TaskData:
    uids = tuple(map(str, range(len(gold))))
    dev = Examples("dev", uids, tuple((uid,) for uid in uids), gold, len(gold))
    return TaskData(task, "own", None, None, (dev,), "own", {})


def test_a_script_beside_the_task_file_scores_and_is_recorded_with_its_version(
    task_with: Callable[..., Task],
) -> None:
    task = task_with(HITS)
    assert task.metrics == ("evaluate:mine",)
    check_library_metrics(data_of(task))
    score = score_predictions(task, GOLD, [0, 1, 2, 2], "dev")
    [(name, value)] = score.metrics.items()
    assert (value, score.score) == (0.75, 0.75)
    edited = task_with(f"{HITS}  # edited")
    [other] = score_predictions(edited, GOLD, [0, 1, 2, 2], "dev").metrics
    [first, second] = [one.rpartition("@") for one in (name, other)]
    assert first[0] == second[0] == "evaluate:mine"
    assert first[2] != second[2]
    assert (
        task.library_metrics["evaluate:mine"].digest[:8] == first[2]
    )  # as loaded: not in the middle of a study


def test_the_code_runs_only_where_the_task_is_used(tmp_path: Path, task_with: Callable[..., Task]) -> None:
    task_with(HITS)
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nraise SystemExit\n")
    [task] = load_tasks(tmp_path)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(DataError, match="'evaluate:mine'"):
        check_library_metrics(data_of(task))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("return {'a': 0.5, 'b': 0.25}", "a, b"),
        ("return {}", "none"),
        ("return 0.5", "0.5"),
        ("return {'a': [0.5, 0.25]}", "0.25"),
        ("return {'a': '0.5'}", "'0.5'"),
        ("return {'a': 87.5}", "87.5"),
        ("return {'a': float('nan')}", "nan"),
        ("return {'a': float('inf')}", "inf"),
        ("raise KeyError('lost')", "lost"),
    ],
)
def test_what_is_no_score_is_named_before_training(
    code: str, named: str, task_with: Callable[..., Task]
) -> None:
    with pytest.raises(DataError, match=r"metric 'evaluate:mine'") as caught:
        check_library_metrics(data_of(task_with(code)))
    assert named in caught.value.message


def test_undefined_is_zero_for_constant_predictions_only(task_with: Callable[..., Task]) -> None:
    task = task_with("return {'a': float('nan') if predictions[0] == 1 else 1.0}")
    assert score_predictions(task, GOLD, [1, 1, 1, 1], "dev").score == 0.0
    with pytest.raises(RunError, match="nan"):
        score_predictions(task, GOLD, [1, 0, 1, 1], "dev")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (
            "classification",
            "return {'loss': sum(map(int.__ne__, predictions, references)) / len(references)}",
        ),
        ("regression", "return {'mse': sum((p - r) ** 2 for p, r in zip(predictions, references)) / 100}"),
        ("classification", "return {'constant': 0.5}"),
    ],
)
def test_lower_must_not_be_better(kind: str, code: str, task_with: Callable[..., Task]) -> None:
    gold = (0.5, 1.0, 3.0, 4.5) if kind == "regression" else GOLD
    with pytest.raises(DataError, match=r"'evaluate:mine'.*own dev"):
        check_library_metrics(data_of(task_with(code, kind), gold))


def test_a_metric_that_draws_repeats_itself_and_moves_no_generator(task_with: Callable[..., Task]) -> None:
    draws = "import random; import numpy; return {'a': random.random() / 2 + numpy.random.random() / 2}"
    task = task_with(draws)
    before = random.getstate(), np.random.get_state()[2]
    first, second = (score_predictions(task, GOLD, [0, 1, 2, 2], "dev") for _ in range(2))
    assert first == second
    assert (random.getstate(), np.random.get_state()[2]) == before


def test_it_waits_for_a_thread_that_borrows_the_generators(task_with: Callable[..., Task]) -> None:
    metric = task_with(HITS).library_metrics["evaluate:mine"]
    metric.compute(GOLD, GOLD)  # loads it
    thread = threading.Thread(target=metric.compute, args=(GOLD, GOLD))
    with borrowed_random(random.Random(0)):
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()


def test_it_reaches_other_processes(task_with: Callable[..., Task]) -> None:
    task = task_with(HITS)
    metric = task.library_metrics["evaluate:mine"]
    value = metric.compute(GOLD, [0, 1, 2, 2])
    copy = pickle.loads(pickle.dumps(metric))
    assert (copy, copy.compute(GOLD, [0, 1, 2, 2])) == (metric, value)


def test_names_hold_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub" / "hits").mkdir(parents=True)
    more = Path("sub", "more.py")
    (tmp_path / more).touch()
    listed = ["accuracy", "evaluate:sub/hits", f"evaluate:{more}", "evaluate:someone/theirs"]
    names, library = read_metrics(listed, tmp_path)
    assert names == ("accuracy", "evaluate:hits", "evaluate:more", "evaluate:someone/theirs")
    assert [metric.place for metric in library.values()] == [
        str(tmp_path / "sub" / "hits"), str(tmp_path / more), "someone/theirs",
    ]  # fmt: skip
    monkeypatch.chdir(tmp_path / "sub")
    for wrong in (["evaluate:no.py"], ["evaluate:./no"], ["evaluate:a/b/c"], ["evaluate:"], ["f1", "f1"]):
        with pytest.raises(DataError, match="'metrics'"):
            read_metrics(wrong, tmp_path / "sub")
    with pytest.raises(DataError, match="'hits'"):  # evaluate would run the one in the working folder
        read_metrics(["evaluate:hits"], tmp_path)


def test_a_name_on_the_hub_without_a_network_is_one_line(write_metric: Write) -> None:
    with pytest.raises(DataError, match=r"'evaluate:someone/theirs'.*Hub") as caught:
        _ = LibraryMetric("evaluate:someone/theirs", "someone/theirs").digest
    assert "\n" not in str(caught.value)
