"""Results: frames with types, a headline per run, failures, and what is not loaded for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from matekd_bench import Leaderboard, Results, ResultsError, UsageError, load_results, merge_results
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore

GAINS = {"kd": 0.0, "good": 0.9, "bad": -0.9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_study: Any, make_record: Any) -> Path:
    """Three methods, two tasks, three seeds; one more run failed and one collapsed."""
    folder = tmp_path_factory.mktemp("results")
    store = write_study(folder, GAINS)
    store.write(make_record("lost", "rte", 0, None))
    store.write(make_record("flat", "rte", 0, 0.5, status="collapsed", reason="one answer"))
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return load_results(folder)


def test_a_row_per_run(results: Results) -> None:
    runs = results.runs()
    assert len(runs) == len(results) == 20
    assert runs["run_id"].is_unique
    assert list(runs.columns[:6]) == ["run_id", "method", "variant", "task", "seed", "score"]
    types = {"score": "float64", "seed": "Int64", "ranked": "boolean", "task": "string"}
    assert {key: str(runs[key].dtype) for key in types} == types
    assert runs.set_index("run_id")["status"].value_counts().to_dict() == {
        "ok": 18,
        "failed": 1,
        "collapsed": 1,
    }


def test_headlines_are_one_per_run_and_its_score(results: Results) -> None:
    rows, runs = results.runs(long=True), results.runs()
    headlines = rows[rows["headline"]].set_index("run_id")["value"]
    assert len(rows) > len(headlines)
    pd.testing.assert_series_equal(
        headlines.sort_index(), runs.set_index("run_id")["score"].sort_index(), check_names=False
    )


def test_long_runs_are_those_of_the_file(results: Results, tmp_path: Path) -> None:
    results.export(tmp_path / "runs.csv")
    written, frame = pd.read_csv(tmp_path / "runs.csv"), results.runs(long=True)
    assert list(written.columns) == list(frame.columns)
    assert written["value"].tolist() == pytest.approx(frame["value"].tolist(), rel=0, nan_ok=True)
    for key in ("run_id", "headline"):
        assert written[key].tolist() == frame[key].tolist()


def test_failures_come_first(results: Results) -> None:
    assert results.failures()["status"].tolist() == ["failed", "collapsed"]
    assert results.failures()["reason"].tolist() == ["RuntimeError: out of memory", "one answer"]


def test_curves_have_a_row_per_evaluation(results: Results) -> None:
    curves = results.curves()
    assert curves["eval"].tolist() == [1] * 19
    assert set(curves["run_id"]) == set(results.runs().query("status != 'failed'")["run_id"])


def test_predictions_without_texts(results: Results) -> None:
    run = results.runs().query("variant == 'good'")["run_id"].iloc[0]
    frame = results.predictions(run, texts=False)
    right = (frame["label"] == frame["prediction"]).mean()
    assert right == pytest.approx(results.find(run).scores[0].value)
    assert list(frame.columns[-2:]) == ["logit_entailment", "logit_not_entailment"]


def test_predictions_must_give_the_score(tmp_path: Path, write_study: Any) -> None:
    """Not those before a divergence, and not of other examples than those with labels."""
    store = write_study(tmp_path, {"kd": 0.0, "good": 0.9}, tasks=["rte"], seeds=1)
    kd, good = load_results(tmp_path).records
    diverged = Results([kd.model_copy(update={"status": "diverged"})], {kd.run_id: store}, Host.load(()))
    with pytest.raises(ResultsError, match=f"{kd.run_id}.*diverged"):
        diverged.predictions(kd.run_id, texts=False)
    dev = store.read_data("dev-rte")
    others = ["other", *dev.uids[1:]]
    store.write_data("dev-rte", task="rte", split="dev", uids=others, labels=dev.labels)
    with pytest.raises(ResultsError, match=f"{good.run_id}.*do not cover"):
        load_results(tmp_path).predictions(good.run_id, texts=False)


def test_verdicts_have_a_row_per_method_and_task(results: Results) -> None:
    verdicts = results.leaderboard(methods="good,bad").verdicts()
    assert verdicts["task"].tolist() == ["all", "sst2", "rte"] * 2
    assert set(verdicts["compared_with"]) == {"kd"}
    good = verdicts[(verdicts["method"] == "good") & (verdicts["task"] == "all")].iloc[0]
    assert good["verdict"] == "better"
    assert 0 < good["ci_lo"] < good["delta"] < good["ci_hi"]


def test_a_selection_changes_no_number(results: Results) -> None:
    whole, part = results.leaderboard(), results.leaderboard(methods=["good"], tasks=["rte"])
    assert isinstance(part, Leaderboard)
    assert part.to_frame()["method"].tolist() == ["teacher", "good"]
    assert "sst2_mean" not in part.to_frame()
    for key in ("delta", "p_holm", "rte_mean"):
        assert (
            part.to_frame().set_index("method").loc["good", key]
            == (whole.to_frame().set_index("method").loc["good", key])
        )


def test_the_reference_can_be_another_or_none(results: Results) -> None:
    other = results.leaderboard(reference="good").to_frame().set_index("method")
    assert other.loc["kd", "compared_with"] == "good"
    assert results.leaderboard(reference="none").to_frame()["delta"].isna().all()


@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        ({"by": "taks"}, "task"),
        ({"methods": "goood"}, "good"),
        ({"sort": "delt"}, "delta"),
        ({"match": ["z"]}, "z"),
    ],
)
def test_mistakes_name_the_nearest(results: Results, mistake: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        results.leaderboard(**mistake)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="nowhere"):
        load_results(tmp_path / "nowhere")


def test_damaged_records_are_a_warning(tmp_path: Path, write_study: Any) -> None:
    store = write_study(tmp_path, {"kd": 0.0}, tasks=["rte"], seeds=2)
    next(store.runs.iterdir()).joinpath("record.json").write_text("{")
    with pytest.warns(UserWarning, match="left out"):
        assert len(load_results(tmp_path)) == 1


def test_two_runs_are_compared_and_verified(results: Results) -> None:
    runs = results.runs().query("task == 'rte' and seed == 0").set_index("variant")["run_id"]
    assert results.compare(runs["good"], runs["bad"]).n == 240
    kept, verification = results.verified()
    assert {*results.runs()["run_id"]} - {*kept.runs()["run_id"]} == set(verification.disagreeing)


def test_a_frame_needs_neither_torch_nor_evaluate(folder: Path) -> None:
    probe = (
        "import sys, matekd_bench as mb\n"
        f"frame = mb.load_results({str(folder)!r}).leaderboard().to_frame()\n"
        "print(len(frame), *({'torch', 'evaluate', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6"]


def test_the_screen_needs_no_pandas(folder: Path) -> None:
    probe = (
        "import sys\nfrom matekd_bench.cli import main\n"
        f"main(['leaderboard', '--results', {str(folder)!r}])\nprint('pandas' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr.split() == ["False"]


def test_folders_are_merged_into_a_new_one_and_read(make_record: Any, tmp_path: Path) -> None:
    a, b = (ResultsStore(tmp_path / name) for name in "ab")
    for store, seeds in ((a, (0, 1)), (b, (1, 2, 3))):  # one run is in both
        for seed in seeds:
            store.write(make_record("kd", seed=seed))
    [common] = a.run_ids() & b.run_ids()
    damaged = min(b.run_ids() - {common})
    (b.runs / damaged / "record.json").write_text("{")
    with pytest.warns(UserWarning, match=damaged):
        merged = merge_results(a.root, str(b.root), into=tmp_path / "merged")
    assert set(merged.runs()["run_id"]) == (a.run_ids() | b.run_ids()) - {damaged}
    for folders, into, named in (
        ([a.root, b.root], tmp_path / "merged", "merged"),
        ([a.root, tmp_path / "gone"], tmp_path / "new", "gone"),
        ([a.root], tmp_path / "new", "two"),
    ):
        with pytest.raises((ResultsError, UsageError), match=named):
            merge_results(*folders, into=into)
    assert not (tmp_path / "new").exists()
