"""Bad input to `run`: one line on stderr that says what to do, exit code 2, nothing trained and nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from matekd_bench.cli import main
from matekd_bench.plugins.host import Host

Refusal = Callable[..., str]


@pytest.fixture
def refusal(
    study_options: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Refusal:
    """Runs a small study with further options, which must be refused; gives the one line that says why."""

    def untrained(*_: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr("matekd_bench.study.execute.scheduler.Scheduler.run", untrained)
    monkeypatch.setattr("matekd_bench.distill.artifacts.teacher.load_or_fine_tune", untrained)

    def refuse(*options: str | Path) -> str:
        results = tmp_path / "results"
        command = ["run", *study_options, "--methods", "kd", "--tasks", "rte", "--results", str(results)]
        assert main([*command, *map(str, options)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1, printed.err
        assert not results.exists()
        return printed.err

    return refuse


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--methods", "matkd"), ("unknown method 'matkd': did you mean 'matekd'?", "'matekd-bench methods'")),
        (("--methods", "neighbor-swap"), ("unknown method 'neighbor-swap'", "--plugin FILE")),
        (("--reference", "finetun"), ("unknown method 'finetun': did you mean 'finetune'?",)),
        (("--reference", "kd,eda"), ("--reference 'kd,eda' names several methods",)),
        (("--methods", ""), ("methods '': expected a method name at position 1, found the end",)),
        (("--methods", "kd,,eda"), ("expected a method name at position 4, found ','",)),
        (("--tasks", ""), ("--tasks '' has an empty entry",)),
        (("--tasks", "gleu"), ("unknown task 'gleu': did you mean 'glue'?", "'matekd-bench tasks'")),
        (("--sedes", "3"), ("unknown option '--sedes': did you mean '--seeds'?", "'matekd-bench run --help'")),
        (("--seeds",), ("option '--seeds' requires an argument",)),
        (("--seeds", "0"), ("--seeds cannot be '0': it should be greater than or equal to 1",)),
        (("--seeds", str(2**63)), ("--seeds: it should be less than or equal to 1000",)),
        (("--jobs", "0"), ("--jobs: it should be a number of runs from 1 on, or auto, not '0'",)),
        (("--jobs", "many"), ("--jobs: it should be a number of runs from 1 on, or auto, not 'many'",)),
        (("--seeds=some",), ("--seeds cannot be 'some': it should be a valid integer",)),
        (("--first-seed", "-1"), ("--first-seed cannot be '-1': it should be greater than or equal to 0",)),
        (("--threads", "0"), ("--threads cannot be '0': it should be greater than or equal to 1",)),
        (("--limit-train", "0"), ("--limit-train cannot be '0'",)),
        (("something",), ("got unexpected extra argument(s) (something)",)),
        (("--tasks", "rtee"), ("unknown task 'rtee': did you mean 'rte'?", "'matekd-bench tasks'")),
        (("--tasks", "rte,,sst2"), ("'rte,,sst2' has an empty entry",)),
        (("--tasks", "ax"), ("task 'ax' has no training data",)),
        (("--preset", "minilmm"), ("unknown preset 'minilmm': did you mean 'minilm'?",)),
        (("--methods", "eda[alhpa=0.2]"), ("unknown parameter 'eda.alhpa': did you mean 'eda.alpha'?",)),
        (("--methods", "eda[alpha=1.5]"), ("'alpha' of method 'eda' cannot be '1.5'", "less than or equal to 1")),
        (("--methods", "eda[alpha=much]"), ("'alpha' of method 'eda' cannot be 'much'", "valid number")),
        (("--methods", "eda["), ("expected a method name at position 5, found the end",)),
        (("--methods", "kd[x=1]"), ("unknown parameter 'kd.x'",)),
        (("--methods", "eda", "--set", "eda.alpha"), ("--set 'eda.alpha' is not of the form METHOD.PARAMETER=VALUE",)),
        (("--methods", "eda", "--set", "eda.alhpa=1"), ("did you mean 'eda.alpha'?",)),
        (("--methods", "eda", "--set", "ead.alpha=1"), ("unknown method 'ead': did you mean 'eda'?",)),
        (("--set", "eda.alpha=0.2"), ("method 'eda' is not in the study (kd)",)),
        (("--methods", "nlpaug:contextual"), ("not offered", "current transformers", "frozen-generator")),
        (("--methods", "nlpaug:synonym"), ("not offered", "tagger", "eda[insert=false,swap=false,delete=false]")),
        (("--budget", "student_updates"), ("--budget 'student_updates' is not of the form KIND=N",)),
        (("--budget", "a lot"), ("--budget 'a lot' is not of the form KIND=N, e.g. student_updates=500",)),
        (("--budget", "student_updates=0"), ("is not of the form KIND=N",)),
        (("--budget", "student_updates=inf"), ("is not of the form KIND=N",)),
        (("--budget", "student_update=5"), ("unknown budget 'student_update': did you mean 'student_updates'?",)),
        (("--precision", "fp16"), ("--precision: it should be 'auto', 'float32' or 'bf16', not 'fp16'",)),
        (("--eval-on", "test"), ("--eval-on: it should be 'dev' or 'holdout', not 'test'",)),
        (("--device", "tpu9"), ("unknown device 'tpu9'",)),
        (("--device", "cuda:99"), ("device 'cuda:99' is not available here", "--device auto")),
        (("--student", "layers:0,9"), ("'layers:0,9' does not fit", "it has 4 layers, 0 to 3")),
        (("--student", "layers:0"), ("'layers:0' does not fit",)),
        (("--student", "layers:a"), ("'layers:a' is no choice of layers: write layers:0,1,3,5",)),
        (("--teacher", "./nowhere"), ("no model folder './nowhere'",)),
        (("--teacher", "someone/no-such-model"), ("'someone/no-such-model' can't be reached", "HF_HOME")),
        (("--teacher", "package:"), ("'package:' names no package: write package:NAME/FOLDER",)),
        (("--teacher", "package:no_such_package/model"), ("pip install no-such-package",)),
        (("--glue-dir", "no-such-folder"), ("no GLUE folder at 'no-such-folder'", "--glue-dir DIR")),
        (("--tasks", "cola"), ("no folder 'CoLA' (cola)", "there are RTE, SST-2, STS-B")),
        (("--config", "."), ("the config file '.' can't be read: Is a directory",)),
        (("--config", "no-such.toml"), ("the config file 'no-such.toml' can't be read",)),
        (("--plugin", "/proc/self/task"), ("cannot be used: it holds no task (*.toml)",)),
        (("--plugin", "no-such.py"), ("no-such.py' cannot be read",)),
        (("--eval-on", "holdout"), ("rte: 64 training rows are too few to hold 100 of them out",)),
        (("--results", "/proc/results"), ("/proc/results/runs cannot be written", "--results DIR")),
    ],
)  # fmt: skip
def test_one_line_says_what_is_wrong(
    options: tuple[str, ...], parts: tuple[str, ...], refusal: Refusal
) -> None:
    said = refusal(*options)
    assert said.startswith("error: ")
    for part in parts:
        assert part in said


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ("preset = minilm", ("is not TOML: ",)),
        ("\udcff", ("is not TOML: 'utf-8' codec can't decode",)),
        ('preset = "minilmm"', ("unknown preset 'minilmm': did you mean 'minilm'?",)),
        ("lokos = 3", ("unknown setting", "'lokos'")),
        ("seedz = 3", ("'seedz': did you mean 'seeds'?",)),
        ("[training]\nevaluation = 3", ("'training.evaluation': did you mean 'training.evaluations'?",)),
        ("[training.optimizer]\nrl = 3", ("'training.optimizer.rl': did you mean 'training.optimizer.lr'?",)),
        ("[teacher.budget]\nepoch = 3", ("'teacher.budget.epoch': did you mean 'teacher.budget.epochs'?",)),
        ("[generator]\nmaskrate = 1", ("'generator.maskrate': did you mean 'generator.mask_rate'?",)),
        ("[training]\nevaluations = 0", ("setting 'training.evaluations' (in", "greater than or equal to 1, not 0")),
        ("[training.optimizer]\nlr = -1.0", ("setting 'training.optimizer.lr' (in", "greater than 0, not -1.0")),
        ("[budget]\ntasks = { rte = 'x' }", ("setting 'budget.tasks.rte' (in", "not 'x'")),
        ("[budget]\nkind = 'clean_examples'", ("'budget' (in", "a budget needs a limit, limits for tasks, or epochs")),
        ("training = 3", ("setting 'training' (in", "must be a table of settings, not 3")),
        ("methods = ['kd']\n", ("setting 'methods' (in", "valid string, not ['kd']")),
        ("[sets]\nalpha = 1", ("'sets.alpha' must be named METHOD.PARAMETER",)),
        ("[sets.ead]\nalpha = 1", ("unknown method 'ead': did you mean 'eda'?",)),
        ("[sets.eda]\nalhpa = 1", ("unknown parameter 'eda.alhpa': did you mean 'eda.alpha'?",)),
    ],
)  # fmt: skip
def test_a_config_file_is_checked_key_by_key(
    config: str, parts: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(config, encoding="utf-8", errors="surrogateescape")
    command = ["run", "--config", str(file), "--tasks", "rte", "--results", str(tmp_path / "results")]
    command += [] if "preset" in config else ["--preset", "minilm"]
    command += [] if "methods" in config else ["--methods", "eda"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for part in parts:
        assert part in said
    assert not (tmp_path / "results").exists()


def test_a_study_has_methods_and_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = ["--results", str(tmp_path / "results")]
    for command, said in (
        (["--tasks", "rte"], 'no methods are named: give --methods LIST, or methods = "LIST" in a --config'),
        (["--methods", "kd"], 'no tasks are named: give --tasks LIST, or tasks = "LIST" in a --config file.'),
    ):
        assert main(["run", *command, *results]) == 2
        assert capsys.readouterr().err.startswith(f"error: {said}")
    assert not (tmp_path / "results").exists()


def test_data_that_cannot_be_reached(
    study_options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = study_options.index("--glue-dir")
    options = [*study_options[:at], *study_options[at + 2 :], "--results", str(tmp_path / "results")]
    options.remove("--quiet")
    assert main(["run", *options, "--methods", "kd", "--tasks", "rte"]) == 2
    stage, error = capsys.readouterr().err.splitlines()
    assert stage == "reading rte from the Hub"  # said before, because waiting for a network may take long
    assert error.startswith(
        "error: the Hub could not be reached for data set 'nyu-mll/glue' (rte) at bcdcba79"
    )
    assert "--glue-dir DIR" in error
    assert not (tmp_path / "results").exists()


def test_broken_files_are_named(refusal: Refusal, small_glue: Path, tmp_path: Path) -> None:
    glue = tmp_path / "glue"
    shutil.copytree(small_glue, glue)
    dev = glue / "RTE" / "dev.tsv"
    text = dev.read_text()
    dev.write_text(text.replace("sentence2", "sentence_2", 1))
    assert f"no column 'sentence2' (rte) in '{dev}': did you mean 'sentence_2'?" in refusal(
        "--glue-dir", glue
    )
    dev.write_text(text.replace("not_entailment", "neutral", 1))
    assert "unknown label 'neutral': rte has entailment, not_entailment." in refusal("--glue-dir", glue)
    dev.unlink()
    assert f"no file 'dev.tsv' (rte dev) in '{dev.parent}': there are train.tsv." in refusal(
        "--glue-dir", glue
    )


def test_folders_and_files_that_are_something_else(
    refusal: Refusal, small_glue: Path, tmp_path: Path
) -> None:
    glue = tmp_path / "glue"
    (glue / "RTE").mkdir(parents=True)
    assert f"no file 'train.tsv' (rte train) in '{glue / 'RTE'}': there is nothing." in refusal(
        "--glue-dir", glue
    )
    (glue / "RTE" / "train.tsv").write_text("")
    assert f"'{glue / 'RTE' / 'train.tsv'}' holds no rows." in refusal("--glue-dir", glue)
    (glue / "RTE" / "train.tsv").write_bytes(b"index\tsentence1\n1\t\xff\n")
    assert "train.tsv', line 2: not UTF-8 text" in refusal("--glue-dir", glue)
    assert f"no GLUE folder at '{small_glue / 'RTE' / 'dev.tsv'}'" in refusal(
        "--glue-dir", small_glue / "RTE" / "dev.tsv"
    )
    assert f"Try --glue-dir '{small_glue}'." in refusal("--glue-dir", small_glue / "RTE")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def broken(:", "SyntaxError: "),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "it implements no hook"),
    ],
)
def test_a_plugin_file_that_cannot_be_used(
    source: str, reason: str, refusal: Refusal, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{source}\n")
    assert f"error: the file {file} cannot be used: {reason}" in refusal("--plugin", file)


def test_a_resource_that_is_not_there(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matekd_plugins.eda.thesaurus.wordnet_places", lambda: iter(()))
    said = refusal("--methods", "eda[thesaurus=wordnet]")
    assert "thesaurus=wordnet, but no WordNet can be read. 'python -m nltk.downloader wordnet'" in said


def test_models_of_other_vocabularies(refusal: Refusal, other_vocabulary: Path) -> None:
    for role in ("--generator", "--student"):
        said = refusal("--methods", "matekd", role, other_vocabulary)
        assert "method 'matekd'" in said
        assert "vocabular" in said
        assert other_vocabulary.name in said


def test_a_study_without_generator(refusal: Refusal, tmp_path: Path) -> None:
    said = refusal("--methods", "matekd", "--generator", tmp_path)
    assert f"'{tmp_path.name}' is no model: there is no config.json in its folder." in said


def test_a_results_folder_that_is_a_file(refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refusal("--results", tmp_path / "file")
    assert (tmp_path / "file").read_text() == ""


@pytest.fixture(scope="module")
def fine_tuned(
    study_options: tuple[str, ...], tiny_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A teacher that has learned the made-up SST-2, as the cache keeps it."""
    folder = tmp_path_factory.mktemp("given")
    config = folder / "study.toml"
    text = tiny_config.read_text().replace("budget = { limit = 4 }", "budget = { limit = 80 }")
    config.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATEKD_BENCH_CACHE", str(folder / "cache"))
        command = ["run", *study_options, "--config", str(config), "--results", str(folder / "results")]
        assert main([*command, "--methods", "kd", "--tasks", "sst2"]) == 0
    [teacher] = (path for path in (folder / "cache" / "teachers").iterdir() if path.is_dir())
    return teacher


def test_a_given_teacher_is_taken_as_it_is(
    fine_tuned: Path, study_options: tuple[str, ...], tmp_path: Path
) -> None:
    command = [
        "run",
        *study_options,
        "--student",
        "layers:2",
        "--teacher",
        str(fine_tuned),
        "--tasks",
        "sst2",
    ]
    assert main([*command, "--methods", "kd", "--results", str(tmp_path)]) == 0
    [record] = (json.loads(path.read_text()) for path in tmp_path.glob("runs/*/record.json"))
    assert (record["teacher"]["given"], record["teacher"]["label_map_checked"]) == (True, True)
    assert record["teacher"]["task_score"] > 0.9


def test_a_given_teacher_with_permuted_labels(fine_tuned: Path, refusal: Refusal, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(fine_tuned, teacher)
    config = json.loads((teacher / "config.json").read_text())
    config["id2label"] = {"0": "positive", "1": "negative"}
    config["label2id"] = {"positive": 0, "negative": 1}
    (teacher / "config.json").write_text(json.dumps(config))
    said = refusal("--tasks", "sst2", "--teacher", teacher)
    assert "the given teacher 'teacher' fits task 'sst2' better by 100.0 points" in said
    assert "negative as positive" in said
    assert "set id2label in its config.json" in said


def test_a_given_teacher_of_another_task(fine_tuned: Path, refusal: Refusal) -> None:
    assert "has 2 outputs, but task 'stsb' has 1" in refusal("--tasks", "stsb", "--teacher", fine_tuned)
    said = refusal("--tasks", "rte", "--teacher", fine_tuned)
    assert "(negative, positive) are not those of task 'rte' (entailment, not_entailment)" in said


def test_methods_that_share_ids_with_the_teacher_need_its_vocabulary(
    refusal: Refusal, other_vocabulary: Path, tiny_checkpoint: Path, study_options: tuple[str, ...], tmp_path: Path
) -> None:  # fmt: skip
    """Each is refused in one line; all others take a teacher with any tokenizer."""
    records = [found.record for found in Host.load(only_builtin=True).methods.values()]
    sharing = sorted(record.name for record in records if "one-vocabulary" in record.needs)
    assert sharing == ["cutoff", "frozen-generator", "matekd", "random-mask", "random-token"]
    models = ("--teacher", other_vocabulary, "--student", tiny_checkpoint, "--generator", tiny_checkpoint)
    for name in sharing:
        assert f"method '{name}'" in refusal("--methods", name, *models)
    free = sorted(record.name for record in records if record.name not in sharing and not record.wraps)
    listed = ",".join([*free, "worst-of-n[aeda]"])
    options = (*map(str, models), "--results", str(tmp_path / "none"), "--dry-run")
    assert main(["run", *study_options, "--methods", listed, "--tasks", "rte", *options]) == 0


def test_sizes_that_were_never_published_for_a_task(refusal: Refusal) -> None:
    for name in ("freelb[published=roberta]", "freelb[published=roberta,share_dropout=false]"):
        said = refusal("--methods", name, "--tasks", "rte")
        assert "on task 'rte': published=roberta has no sizes for it, only for cola, mnli," in said


def test_a_dry_run_is_refused_for_the_same_reasons(refusal: Refusal, other_vocabulary: Path) -> None:
    assert "vocabular" in refusal("--dry-run", "--methods", "matekd", "--generator", other_vocabulary)
