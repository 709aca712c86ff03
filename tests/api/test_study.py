"""A study from Python: planned, trained, interrupted, continued, by names and by objects."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import matekd_bench as mb
from matekd_bench import Method, Perturbation, PluginError, Study, TextPerturbation, UsageError
from matekd_bench.cli import main
from matekd_bench.plugins.host import Host


class Doubled(TextPerturbation):
    """Says every text twice."""

    name, version = "doubled", "1"

    def perturb(self, text, rng):
        return f"{text} {text}"


class Broken(Perturbation):
    """Raises in its first update."""

    name, version, level = "broken", "1", "none"

    def views(self, batch, models):
        yield batch.clean
        raise RuntimeError("out of words")


def study(settings: dict[str, Any], methods: Any = "kd", **more: Any) -> Study:
    return Study(methods, "rte", reference="none", no_plugins=True, **{**settings, **more})


def command(options: tuple[str, ...], folder: Path, methods: str = "kd") -> list[str]:
    named = ["--methods", methods, "--tasks", "rte", "--reference", "none", "--no-plugins"]
    return ["run", *named, "--results", str(folder), *options]


def test_a_study_begun_in_python_continues_from_the_command_line(
    study_settings: dict[str, Any], study_options: tuple[str, ...], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    results = study(study_settings).run(tmp_path, quiet=True)
    assert main([*command(study_options, tmp_path, "kd,eda"), "--verbose"]) == 0
    assert "1 trained, 1 already recorded" in capsys.readouterr().out
    both = study(study_settings, ["kd", "eda"]).run(tmp_path, quiet=True)
    assert both.summary is not None
    assert (both.summary.end.trained, both.summary.end.skipped) == (0, 2)
    assert {*both.runs()["variant"]} == {"kd", "eda"}
    assert results.runs()["run_id"][0] in set(both.runs()["run_id"])


def test_the_plan_is_the_dry_run(
    study_settings: dict[str, Any], study_options: tuple[str, ...], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    plan = study(study_settings, seeds=2).plan(tmp_path, quiet=True)
    frame = plan.to_frame()
    assert frame["seed"].tolist() == [0, 1]
    assert not frame["done"].any()
    assert (frame["seconds"] > 0).all()
    assert main([*command(study_options, tmp_path), "--seeds", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[:5] == str(plan).splitlines()[:5]
    assert plan._repr_html_().count("<tr>") == 3
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_reproduced_and_what_differs_is_in_the_report(
    study_settings: dict[str, Any], tmp_path: Path
) -> None:
    results = study(study_settings, Doubled).run(tmp_path / "results", quiet=True)
    same = results.reproduce("rte-doubled-0", into=tmp_path / "again", quiet=True)
    assert (same.same, same.recorded.run_id) == (True, same.again.run_id)
    assert len(mb.load_results(tmp_path / "again")) == 1
    assert "The same to the last bit" in str(same)
    other = results.reproduce("rte-doubled-0", threads=2, fresh=True, quiet=True)
    assert [condition.path for condition in other.conditions] == ["teacher", "threads"]
    with pytest.raises(mb.ResultsError, match="again"):
        results.reproduce("rte-doubled-0", into=tmp_path / "again", quiet=True)
    with pytest.raises(UsageError, match="rte-eda-0"):
        results.reproduce("rte-eda-0")


def test_the_parts_of_a_study_are_prepared_as_by_the_command(
    study_settings: dict[str, Any], study_options: tuple[str, ...], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    parts = study(study_settings, offline=True).prepare(quiet=True)
    paths = [option for option in study_options[:10] if option != "--quiet"]
    assert main(["prepare", *paths, "--methods", "kd", "--tasks", "rte", "--json", "--offline"]) == 0
    assert parts.to_dict("records") == json.loads(capsys.readouterr().out)
    missing = study({**study_settings, "glue_dir": tmp_path}).prepare(quiet=True)
    assert missing.loc[missing["state"] == "missing", ["kind", "name"]].values.tolist() == [["data", "rte"]]


def test_a_config_file_is_a_study(study_settings: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text('methods = "kd"\ntasks = "rte"\npreset = "minilm"\nseeds = 3\n')
    assert Study.from_file(file, seeds=2, glue_dir="glue").request.spec.seeds == 2
    assert repr(Study.from_file(file, glue_dir="glue")).startswith("matekd_bench.Study(config=")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"seeds": 0}, "argument 'seeds'"),
        ({"budgt": "student_updates=2"}, "'budgt'"),
        ({"training": {"optimizer": {"lr": "big"}}}, "argument 'training.optimizer.lr'"),
        ({"methods": "ead"}, "'eda'"),
        ({"plugins": ["nowhere.py"]}, "nowhere.py"),
    ],
)
def test_mistakes_name_the_argument(settings: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(mb.BenchError, match=named) as raised:
        Study(**{"methods": "kd", "tasks": "rte", **settings}).plan(tmp_path, quiet=True)
    assert "\n" not in str(raised.value)


def test_a_method_given_as_a_class_trains_and_is_recorded_with_its_source(
    study_settings: dict[str, Any], tmp_path: Path
) -> None:
    results = study(study_settings, ["kd", Doubled]).run(tmp_path, quiet=True)
    assert {*results.runs()["variant"]} == {"kd", "doubled"}
    [record] = [run for run in results.records if run.identity.method == "doubled"]
    assert record.code[0].digest
    assert len(study(study_settings, ["kd", Doubled]).plan(tmp_path, quiet=True).plan.study.todo) == 0


def test_another_source_is_another_run(study_settings: dict[str, Any], tmp_path: Path) -> None:
    def made(word: str) -> Any:
        scope: dict[str, Any] = {"__name__": "__main__", "TextPerturbation": TextPerturbation}
        file = tmp_path / f"{word}.py"
        file.write_text(
            f"WORD = {word!r}\nclass Said(TextPerturbation):\n    name, version = 'said', '1'\n"
            "    def perturb(self, text, rng):\n        return f'{text} {WORD}'\n"
        )
        exec(compile(file.read_text(), str(file), "exec"), scope)
        return scope["Said"]

    ids = [
        study(study_settings, [made(word)]).plan(tmp_path, quiet=True).to_frame()["run_id"][0]
        for word in ("one", "two")
    ]
    assert ids[0] != ids[1]
    again = study(study_settings, [made("one")]).plan(tmp_path, quiet=True).to_frame()["run_id"][0]
    assert again == ids[0]


@pytest.mark.parametrize("setting", [{"jobs": 2}, {"processes": 2}, {"executor": "ray"}])
def test_objects_are_refused_in_other_processes(
    study_settings: dict[str, Any], setting: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="'doubled'") as raised:
        study(study_settings, ["kd", Doubled], **setting).run(tmp_path, quiet=True)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_method_is_refused() -> None:
    for wrong, named in ((dict, "dict"), (3, "int"), (Doubled.perturb, "function")):
        with pytest.raises(PluginError, match=named):
            Study(["kd", wrong], "rte")  # type: ignore[list-item]


def test_an_object_of_a_plugin_is_that_plugins_method() -> None:
    host = Host.load(only_builtin=True)
    record: Method = host.method("eda").record
    own = Study(["kd", record], "rte", no_plugins=True)
    assert own.host.in_process == ()
    assert own.host.method("eda").by.built_in


def test_a_taken_name_is_a_conflict(study_settings: dict[str, Any], tmp_path: Path) -> None:
    class Taken(Doubled):
        name = "eda"

    with pytest.raises(PluginError, match="'eda'"):
        study(study_settings, ["kd", Taken]).plan(tmp_path, quiet=True)


def test_a_failed_run_is_listed_and_does_not_raise(study_settings: dict[str, Any], tmp_path: Path) -> None:
    results = study(study_settings, ["kd", Broken]).run(tmp_path, quiet=True)
    failures = results.failures()
    assert failures[failures["status"] == "failed"]["method"].tolist() == ["broken"]
    assert "out of words" in failures["reason"][0]
    assert len(results) == 2


def test_an_interrupt_saves_and_the_next_call_continues(
    study_settings: dict[str, Any], tmp_path: Path
) -> None:
    pressed = tmp_path / "pressed"

    class Pressing(Perturbation):
        name, version, level = "pressing", "1", "none"

        def views(self, batch, models):
            if batch.update == 2 and not pressed.exists():
                pressed.touch()
                signal.raise_signal(signal.SIGINT)
            yield batch.clean

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    own = study(study_settings, [Pressing])
    with pytest.raises(KeyboardInterrupt):
        own.run(tmp_path / "results", quiet=True)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    results = own.run(tmp_path / "results", quiet=True)
    [record] = results.records
    assert record.compute.resumed == 1
    assert record.compute.student_updates == 4


def test_outside_the_main_thread_no_handler_is_installed(
    study_settings: dict[str, Any], tmp_path: Path
) -> None:
    trained: list[int] = []
    thread = threading.Thread(
        target=lambda: trained.append(len(study(study_settings).run(tmp_path, quiet=True)))
    )
    thread.start()
    thread.join()
    assert trained == [1]


def test_the_student_answers_texts_and_the_run_its_dev_set(
    study_settings: dict[str, Any], small_glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = study(study_settings, limit_eval=20).run(tmp_path, quiet=True)
    frame = results.predictions("rte-kd-0", glue_dir=small_glue)
    assert len(frame) == 20
    assert list(frame.columns[:6]) == ["split", "uid", "sentence1", "sentence2", "label", "prediction"]
    with pytest.raises(UsageError, match="GLUE folder"):
        results.predictions("rte-kd-0")
    student = results.student("rte-kd-0")
    answers = student.predict(list(zip(frame["sentence1"], frame["sentence2"], strict=True)))
    assert answers["prediction"].tolist() == frame["prediction"].tolist()
    for wrong in ("one text", [], ["one text"], [("a", "b", "c")], [("a", None)]):
        with pytest.raises(UsageError, match="texts"):
            student.predict(wrong)
    assert student.model.config.num_labels == 2
    assert student.tokenizer("the dog runs")["input_ids"]
    monkeypatch.setenv("HOME", str(tmp_path))
    facts = results.save_student("rte-kd-0", "~/student")
    assert results.find("~/student") == results.find("rte-kd-0")
    results.export("~/runs.csv")
    results.leaderboard().export("~/board.csv")
    assert {"runs.csv", "board.csv"} <= {file.name for file in tmp_path.iterdir()}
    assert facts.run == results.find("rte-kd-0")
    assert {"model.safetensors", "README.md"} <= {file.name for file in (tmp_path / "student").iterdir()}
    costs = results.serving_costs("rte-kd-0", glue_dir=small_glue)
    assert costs["role"].tolist() == ["teacher", "student"]
    assert (costs[["parameters", "milliseconds_1", "milliseconds_32"]] > 0).all(axis=None)
    with pytest.raises(UsageError, match="rte-kd-0"):
        results.submit(tmp_path / "glue.zip", "kd")


def test_texts_that_were_not_scored_are_refused(
    study_settings: dict[str, Any], small_glue: Path, tmp_path: Path
) -> None:
    results = study(study_settings).run(tmp_path / "results", quiet=True)
    other = tmp_path / "glue" / "RTE"
    other.mkdir(parents=True)
    for name in ("train.tsv", "dev.tsv"):
        text = (small_glue / "RTE" / name).read_text()
        (other / name).write_text(text.replace("old house", "new house"))
    with pytest.raises(mb.DataError, match="'rte'"):
        results.predictions("rte-kd-0", glue_dir=other.parent)
