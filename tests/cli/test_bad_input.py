"""Bad input to `run`: one line on stderr that says what to do, exit code 2, nothing trained and nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from matekd_bench.cli import main
from matekd_bench.plugins.host import Host

Refusal = Callable[..., str]


@pytest.fixture
def refusal(
    study_options: tuple[str, ...], tmp_path: Path, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> Refusal:
    """A small study with further options, which must be refused before anything is trained or written."""

    def untrained(*_: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr("matekd_bench.study.execute.scheduler.Scheduler.run", untrained)
    monkeypatch.setattr("matekd_bench.distill.artifacts.teacher.FineTunedTeacher.get", untrained)

    def refuse(*options: str | Path, named: str | tuple[str, ...] = ()) -> str:
        results = tmp_path / "results"
        study = ("run", *study_options, "--methods", "kd", "--tasks", "rte", "--results", results)
        said = refused(*study, *options, named=named)
        assert not results.exists()
        return said

    return refuse


# Options with what the error has to name: the wrong value, the one that was meant, what there is, the next command.
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--methods", "matkd"), ("'matkd'", "'matekd'", "'matekd-bench methods'")),
        (("--methods", "neighbor-swap"), ("'neighbor-swap'", "--plugin FILE")),
        (("--methods", ""), ("''", "position 1")),
        (("--methods", "kd,,eda"), ("'kd,,eda'", "position 4")),
        (("--methods", "eda["), ("'eda['", "position 5")),
        (("--methods", "eda[alhpa=0.2]"), ("'eda.alhpa'", "'eda.alpha'")),
        (("--methods", "eda[alpha=1.5]"), ("'alpha'", "'eda'", "'1.5'", "equal to 1")),
        (("--methods", "eda[alpha=much]"), ("'alpha'", "'eda'", "'much'", "number")),
        (("--methods", "kd[x=1]"), ("'kd.x'",)),
        (("--methods", "eda[alpha=0.1"), ("'eda[alpha=0.1'", "']'", "position 14", "shell")),
        (("--methods", "worst-of-n"), ("'worst-of-n'", "text")),
        (("--methods", "worst-of-n[matekd]"), ("'worst-of-n[matekd]'", "'matekd'", "generator")),
        (("--methods", "worst-of-n[eda@2x]"), ("budget",)),
        (("--methods", "freelb[published=roberta]"), ("'rte'", "published=roberta", "cola, mnli,")),
        (("--methods", "freelb[published=roberta,share_dropout=true]"), ("'rte'", "published=roberta", "cola, mnli,")),
        (("--methods", "matekd", "--generator", "matekd_bench"), ("'matekd_bench'", "config.json")),
        (("--methods", "nlpaug:contextual"), ("nlpaug:contextual", "frozen-generator")),
        (("--methods", "nlpaug:synonym"), ("nlpaug:synonym", "eda[insert=false,swap=false,delete=false]")),
        (("--methods", "eda", "--set", "eda.alpha"), ("--set", "'eda.alpha'", "METHOD.PARAMETER=VALUE")),
        (("--methods", "eda", "--set", "eda.alhpa=1"), ("'eda.alhpa'", "'eda.alpha'")),
        (("--methods", "eda", "--set", "ead.alpha=1"), ("'ead'", "'eda'")),
        (("--set", "eda.alpha=0.2"), ("'eda'", "(kd)")),
        (("--reference", "finetun"), ("'finetun'", "'finetune'")),
        (("--reference", "kd,eda"), ("--reference", "'kd,eda'")),
        (("--tasks", ""), ("--tasks", "''")),
        (("--tasks", "gleu"), ("'gleu'", "'glue'", "'matekd-bench tasks'")),
        (("--tasks", "rte,,sst2"), ("'rte,,sst2'",)),
        (("--tasks", "ax"), ("'ax'", "training")),
        (("--tasks", "cola"), ("'CoLA'", "RTE, SST-2, STS-B")),
        (("--lr", "1e-4"), ("'--lr'", "'training.optimizer.lr'", "--config")),
        (("--seed", "3", "--seeds", "2"), ("--seed 3", "--seeds is 2")),
        (("--seed", "3", "--first-seed", "2"), ("--seed 3", "--first-seed is 2")),
        (("--sedes", "3"), ("'--sedes'", "'--seeds'", "'matekd-bench run --help'")),
        (("something",), ("something",)),
        (("--seeds",), ("'--seeds'",)),
        (("--seeds", "0"), ("--seeds", "'0'", "equal to 1")),
        (("--seeds=some",), ("--seeds", "'some'", "integer")),
        (("--seeds", str(2**63)), ("--seeds", "1000", str(2**63))),
        (("--jobs", "0"), ("--jobs", "'0'", "auto")),
        (("--first-seed", "-1"), ("--first-seed", "'-1'")),
        (("--threads", "0"), ("--threads", "'0'")),
        (("--limit-train", "0"), ("--limit-train", "'0'")),
        (("--preset", "minilmm"), ("'minilmm'", "'minilm'")),
        (("--budget", "student_updates"), ("--budget", "'student_updates'", "KIND=N")),
        (("--budget", "student_updates=0"), ("'student_updates=0'", "KIND=N")),
        (("--budget", "student_updates=inf"), ("'student_updates=inf'", "KIND=N")),
        (("--budget", "student_update=5"), ("'student_update'", "'student_updates'")),
        (("--precision", "fp8"), ("--precision", "'fp8'", "'bf16'")),
        (("--eval-on", "test"), ("--eval-on", "'test'", "'holdout'")),
        (("--eval-on", "holdout"), ("rte", "64", "100")),
        (("--device", "tpu9"), ("'tpu9'",)),
        (("--device", "cuda:99"), ("'cuda:99'", "--device auto")),
        (("--student", "layers:0,9"), ("'layers:0,9'", "0 to 3")),
        (("--student", "layers:0"), ("'layers:0'",)),
        (("--student", "layers:a"), ("'layers:a'", "layers:0,1,3,5")),
        (("--teacher", "./nowhere"), ("'./nowhere'",)),
        (("--teacher", "someone/no-such-model"), ("'someone/no-such-model'", "HF_HOME")),
        (("--teacher", "package:"), ("'package:'", "package:NAME/FOLDER")),
        (("--teacher", "package:no_such_package/model"), ("pip install no-such-package",)),
        (("--glue-dir", "no-such-folder"), ("'no-such-folder'", "--glue-dir DIR")),
        (("--config", "."), ("'.'", "Is a directory")),
        (("--config", "no-such.toml"), ("'no-such.toml'", "No such file")),
        (("--plugin", "/proc/self/task"), ("task", "*.toml")),
        (("--plugin", "no-such.py"), ("no-such.py'", "No such file")),
        (("--results", "/proc/results"), ("'/proc/results/runs'", "--results DIR")),
    ],
)  # fmt: skip
def test_one_line_says_what_is_wrong(
    options: tuple[str, ...], named: tuple[str, ...], refusal: Refusal
) -> None:
    refusal(*options, named=named)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ('preset = "minilmm"', ("'minilmm'", "'minilm'")),
        ("lokos = 3", ("'lokos'",)),
        ("[training]\nevaluation = 3", ("'training.evaluation'", "'evaluations'")),
        ("[training.optimizer]\nrl = 3", ("'training.optimizer.rl'", "'lr'")),
        ("[teacher.budget]\nepoch = 3", ("'teacher.budget.epoch'", "'epochs'")),
        ("[generator]\nmaskrate = 1", ("'generator.maskrate'", "'mask_rate'")),
        ("[training]\nevaluations = 0", ("'training.evaluations' (in", "equal to 1, not 0")),
        ("[training.optimizer]\nlr = -1.0", ("'training.optimizer.lr' (in", "than 0, not -1.0")),
        ("[budget]\ntasks = { rte = 'x' }", ("'budget.tasks.rte' (in", "not 'x'")),
        ("[budget]\nkind = 'clean_examples'", ("'budget' (in", "limit", "epochs")),
        ("training = 3", ("'training' (in", "table", "not 3")),
        ("methods = ['kd']\n", ("'methods' (in", "not ['kd']")),
        ("[sets]\nalpha = 1", ("'sets.alpha'", "METHOD.PARAMETER")),
        ("[sets.ead]\nalpha = 1", ("'ead'", "'eda'")),
        ("[sets.eda]\nalhpa = 1", ("'eda.alhpa'", "'eda.alpha'")),
    ],
)
def test_a_config_file_is_checked_key_by_key(
    config: str, named: tuple[str, ...], tmp_path: Path, refused: Refusal
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(config)
    command = ["run", "--config", str(file), "--tasks", "rte", "--results", str(tmp_path / "results")]
    command += [] if "preset" in config else ["--preset", "minilm"]
    command += [] if "methods" in config else ["--methods", "eda"]
    refused(*command, named=named)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("given", "lacking"), [("--tasks rte", "--methods LIST"), ("--methods kd", "--tasks LIST")]
)
def test_a_study_has_methods_and_tasks(given: str, lacking: str, tmp_path: Path, refused: Refusal) -> None:
    refused("run", *given.split(), "--results", tmp_path / "results", named=lacking)
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
    for part in ("'nyu-mll/glue'", "bcdcba79", "--glue-dir DIR"):
        assert part in error
    assert not (tmp_path / "results").exists()


def test_broken_files_are_named(refusal: Refusal, small_glue: Path, tmp_path: Path) -> None:
    glue = tmp_path / "glue"
    shutil.copytree(small_glue, glue)
    dev = glue / "RTE" / "dev.tsv"
    text = dev.read_text()
    dev.write_text(text.replace("sentence2", "sentence_2", 1))
    refusal("--glue-dir", glue, named=(f"'sentence2' (rte) in '{dev}'", "'sentence_2'"))
    dev.write_text(text.replace("not_entailment", "neutral", 1))
    refusal("--glue-dir", glue, named="'neutral'")
    dev.unlink()
    refusal("--glue-dir", glue, named=(f"'dev.tsv' (rte dev) in '{dev.parent}'", "train.tsv"))


def test_folders_and_files_that_are_something_else(
    refusal: Refusal, small_glue: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "glue" / "RTE"
    folder.mkdir(parents=True)
    assert f"'train.tsv' (rte train) in '{folder}'" in refusal("--glue-dir", folder.parent)
    (folder / "train.tsv").write_text("")
    assert f"'{folder / 'train.tsv'}'" in refusal("--glue-dir", folder.parent)
    (folder / "train.tsv").write_bytes(b"index\tsentence1\n1\t\xff\n")
    assert f"'{folder / 'train.tsv'}', line 2" in refusal("--glue-dir", folder.parent)
    file = small_glue / "RTE" / "dev.tsv"
    assert f"'{file}'" in refusal("--glue-dir", file)
    assert f"--glue-dir '{small_glue}'" in refusal("--glue-dir", small_glue / "RTE")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def broken(:", "SyntaxError: "),
        ("import no_such_module", "ModuleNotFoundError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "@hookimpl"),
    ],
)
def test_a_plugin_file_that_cannot_be_used(
    source: str, reason: str, refusal: Refusal, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{source}\n")
    refusal("--plugin", file, named=(str(file), reason))


def test_a_resource_that_is_not_there(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matekd_plugins.eda.thesaurus.wordnet_places", lambda: iter(()))
    named = ("thesaurus=wordnet", "python -m nltk.downloader wordnet")
    refusal("--methods", "eda[thesaurus=wordnet]", named=named)


def test_models_of_other_vocabularies(refusal: Refusal, other_vocabulary: Path) -> None:
    for options in (("--generator",), ("--student",), ("--dry-run", "--generator")):
        named = ("method 'matekd'", "vocabular", other_vocabulary.name)
        refusal("--methods", "matekd", *options, other_vocabulary, named=named)


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
    study = ("--student", "layers:2", "--teacher", str(fine_tuned), "--tasks", "sst2", "--methods", "kd")
    assert main(["run", *study_options, *study, "--results", str(tmp_path)]) == 0
    [record] = (json.loads(path.read_text()) for path in tmp_path.glob("runs/*/record.json"))
    assert (record["teacher"]["given"], record["teacher"]["label_map_checked"]) == (True, True)
    assert record["teacher"]["task_score"] > 0.9


def test_a_given_teacher_with_permuted_labels(fine_tuned: Path, refusal: Refusal, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(fine_tuned, teacher)
    config = json.loads((teacher / "config.json").read_text())
    config["id2label"], config["label2id"] = {"0": "LABEL_0", "1": "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}
    (teacher / "config.json").write_text(json.dumps(config))
    weights = load_file(teacher / "model.safetensors")
    head = {name: weight.flip(0) for name, weight in weights.items() if name.startswith("classifier.")}
    save_file({**weights, **head}, teacher / "model.safetensors", {"format": "pt"})
    named = ("'teacher'", "'sst2'", "100.0 points", "negative as positive", "id2label")
    refusal("--tasks", "sst2", "--teacher", teacher, named=named)


def test_a_given_teacher_of_another_task(fine_tuned: Path, refusal: Refusal) -> None:
    refusal("--tasks", "stsb", "--teacher", fine_tuned, named=("2 outputs", "'stsb'", "1"))
    labels = ("negative, positive", "entailment, not_entailment")
    refusal("--tasks", "rte", "--teacher", fine_tuned, named=labels)


def test_methods_that_share_ids_with_the_teacher_need_its_vocabulary(
    refusal: Refusal, other_vocabulary: Path, tiny_checkpoint: Path, study_options: tuple[str, ...], tmp_path: Path
) -> None:  # fmt: skip
    """Each is refused in one line; all others take a teacher with any tokenizer."""
    records = [found.record for found in Host.load(only_builtin=True).methods.values()]
    sharing = sorted(record.name for record in records if "one-vocabulary" in record.needs)
    assert sharing == ["cutoff", "frozen-generator", "matekd", "mixup", "random-mask", "random-token"]
    models = ("--teacher", other_vocabulary, "--student", tiny_checkpoint, "--generator", tiny_checkpoint)
    for name in sharing:
        refusal("--methods", name, *models, named=f"method '{name}'")
    free = sorted(record.name for record in records if record.name not in sharing and not record.wraps)
    free.remove("from-file")  # it needs a file
    listed = ",".join([*free, "worst-of-n[aeda]"])
    options = (*map(str, models), "--results", str(tmp_path / "none"), "--dry-run")
    assert main(["run", *study_options, "--methods", listed, "--tasks", "rte", *options]) == 0
