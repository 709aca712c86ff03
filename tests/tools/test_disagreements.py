"""Texts on which two methods disagree, against the runs' own frames of predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from matekd_bench import Leaderboard, Results, UsageError, load_results
from matekd_bench.results.leaderboard.evidence import Evidence
from matekd_bench.tools.disagreements import disagreements

METHODS = ("kd", "good")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, write_study: Any) -> Results:
    folder = tmp_path_factory.mktemp("results")
    write_study(folder, {"kd": 0.0, "good": 0.9, "same": 0.0})
    return load_results(folder)


@pytest.fixture(scope="module")
def board(results: Results) -> Leaderboard:
    return results.leaderboard()


def predicted(results: Results, method: str) -> dict[int, pd.DataFrame]:
    runs = results.runs().query("variant == @method and task == 'sst2'")
    return {
        run.seed: results.predictions(run.run_id, texts=False).set_index("uid") for run in runs.itertuples()
    }


def test_the_order_is_that_of_seeds_and_probabilities(results: Results, board: Leaderboard) -> None:
    frames = {method: predicted(results, method) for method in METHODS}
    seeds = sorted(frames["kd"])
    differ = pd.concat(
        [frames["kd"][seed]["prediction"] != frames["good"][seed]["prediction"] for seed in seeds], axis=1
    ).mean(axis=1)

    def probability(method: str) -> pd.Series[float]:
        logits = [frame.filter(like="logit_").to_numpy(dtype=np.float64) for frame in frames[method].values()]
        uids = next(iter(frames[method].values())).index
        values = np.mean([1 / (1 + np.exp(rows[:, 1] - rows[:, 0])) for rows in logits], axis=0)
        return pd.Series(values, index=uids)

    distance = (probability("kd") - probability("good")).abs().round(9)
    expected = (
        pd.DataFrame({"differ": differ, "distance": distance})
        .query("differ > 0")
        .rename_axis("uid")
        .sort_values(["differ", "distance", "uid"], ascending=[False, False, True])
    )
    found = board.disagreements("good", "sst2", most=len(expected) + 1, texts=False)
    assert len(found) == len(expected) > 10
    assert found["uid"].tolist() == expected.index.tolist()
    assert set(found["seeds"]) == {len(seeds)}
    first = found.iloc[0]
    answers = [frames["good"][seed].loc[first["uid"], "prediction"] for seed in seeds]
    counted = {
        name: int(n) for name, n in (part.rsplit(" ", 1) for part in first["good answers"].split(", "))
    }
    assert counted == pd.Series(answers).value_counts().to_dict()


def test_few_are_the_first_of_all_and_unknown_names_are_refused(board: Leaderboard) -> None:
    all_of_them = board.disagreements("good", "rte", most=1000, texts=False)
    few = board.disagreements("good", "rte", most=3, texts=False)
    pd.testing.assert_frame_equal(few, all_of_them.head(3))
    assert len(board.disagreements("kd", "rte", texts=False)) == 0
    with pytest.raises(UsageError, match="goood"):
        board.disagreements("goood", "rte")
    with pytest.raises(UsageError, match="rtee"):
        board.disagreements("good", "rtee")


def test_a_view_without_the_reference_still_compares_with_it(results: Results, board: Leaderboard) -> None:
    part = results.leaderboard(methods="good", tasks="rte")
    expected = board.disagreements("good", "rte", texts=False)
    assert len(expected) > 0
    pd.testing.assert_frame_equal(part.disagreements("good", "rte", texts=False), expected)


def test_without_a_reference_there_is_nothing_to_disagree_with(results: Results, tmp_path: Path) -> None:
    alone = results.leaderboard(reference="none")
    with pytest.raises(UsageError, match="reference"):
        alone.disagreements("good", "rte", texts=False)
    with pytest.raises(UsageError, match="reference"):
        alone.export(tmp_path / "board.html", texts=True)
    with pytest.raises(UsageError, match="glue_dir"):
        alone.export(tmp_path / "board.html", glue_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_seeds_of_diverged_runs_are_not_counted(results: Results) -> None:
    runs = {
        method: [
            run for run in results.records if (run.identity.variant, run.identity.task) == (method, "rte")
        ]
        for method in METHODS
    }
    last = max(runs["good"], key=lambda run: run.identity.seed)
    labels = results.stores[last.run_id].read_data("dev-rte").labels
    share = labels.count(0) / len(labels)
    score = last.task_score.model_copy(update={"last": share, "best_dev": share, "optimism": 0.0})
    diverged = last.model_copy(update={"status": "diverged", "task_score": score})
    good = [diverged if run is last else run for run in runs["good"]]
    found = disagreements(good, runs["kd"], Evidence(results.stores), {}, 10)
    seeds = {run.identity.seed for run in runs["good"]} - {last.identity.seed}
    assert {(set(one.seeds) == seeds, len(one.a), len(one.b)) for one in found} == {(True, 2, 2)}
    assert disagreements([], [], Evidence(results.stores), {}, 10) == []
