"""Texts on which two methods disagree, against the runs' own frames of predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from matekd_bench import Leaderboard, Results, UsageError, load_results

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
