"""Fixtures that several test folders share."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hub_server import HubServer
    from rig import Rig

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: a worker has one core, and tiny networks need no more
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # so a preset's `jobs = "auto"` starts no processes in tests
gc.disable()  # until all tests are collected: what is made by then, the libraries' modules above all, stays
HERE = Path(__file__).resolve().parent
os.environ["HF_HUB_OFFLINE"] = "1"  # read when the Hub's library is imported: no test waits for a network


LONGEST = (
    *(
        "study/execute/backends/test_backends_agree.py",
        "study/execute/backends/test_worker_processes.py",
        "contract/test_every_method.py",
        "study/execute/test_away.py",
        "faults/test_faults.py",
    ),
    *(
        "study/execute/backends/test_ray_cluster.py",
        "test_end_to_end.py",
        "study/execute/test_processes.py",
        "scaffold/test_scaffold.py",
    ),
    "docs/test_tour.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: a worker whose test has started other processes only waits."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `full`, unless `-m` names it or `always` is set; then put the longest files first.

    A long file that comes last keeps a worker busy while the others have nothing left to do.
    """
    if "full" not in config.getoption("markexpr"):
        left_out = [item for item in items if _waits_for_full(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _waits_for_full(item)]
    places = {HERE / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def _waits_for_full(item: pytest.Item) -> bool:
    """True for a test that `pytest` alone leaves out."""
    mark = item.get_closest_marker("full")
    return mark is not None and not mark.kwargs.get("always", False)


def pytest_collection_finish() -> None:
    """From here on Python looks for cycles again, but not among what is there by now."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real GLUE text; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("MATEKD_BENCH_TEST_DATA", HERE.parent.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data: set MATEKD_BENCH_TEST_DATA to a folder that holds glue/")
    return folder


@pytest.fixture(scope="session")
def write_metric(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a metric script of evaluate, whose `_compute` is the given code; the library's caches are a new folder."""
    import evaluate

    cache = tmp_path_factory.mktemp("evaluate")
    evaluate.config.HF_MODULES_CACHE, evaluate.config.HF_METRICS_CACHE = (
        cache / "modules",
        str(cache / "metrics"),
    )
    return metric_script


def metric_script(path: Path, code: str, *, value: str = "int64") -> Path:
    path.write_text(
        "import datasets\nimport evaluate\n"
        "class Mine(evaluate.Metric):\n"
        "    def _info(self):\n"
        f"        sides = {{side: datasets.Value('{value}') for side in ('predictions', 'references')}}\n"
        "        return evaluate.MetricInfo(\n"
        "            description='', citation='', inputs_description='', features=datasets.Features(sides)\n"
        "        )\n"
        "    def _compute(self, predictions, references):\n"
        f"        {code}\n"
    )
    return path


@pytest.fixture(scope="session")
def glue_dir(shared_data: Path) -> Path:
    """The official GLUE folder layout."""
    return shared_data / "glue"


TEXT = (
    "a the an is are was not and or in on of to man woman dog cat child house car tree bird music plays sings runs "
    "eats sees walks sleeps good bad great awful big small red blue old new film story movie very quite never "
    "always he she it they who what when where why how many people some no all every . , ? ! ' -"
)
WORDS = TEXT.split()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real BERT of four tiny layers, an untrained MLM head and a WordPiece tokenizer."""
    return make_checkpoint(tmp_path_factory.mktemp("tiny-bert"), WORDS)


@pytest.fixture(scope="session")
def other_vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint like `tiny_checkpoint` whose vocabulary is in another order."""
    return make_checkpoint(tmp_path_factory.mktemp("other-bert"), tuple(reversed(WORDS)))


def make_checkpoint(folder: Path, words: Sequence[str]) -> Path:
    """Writes config, safetensors weights and tokenizer of a BERT with random weights; the same every time."""
    import string

    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase + string.digits)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters, *string.digits]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(dict.fromkeys(vocabulary)), hidden_size=32, num_hidden_layers=4, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """An empty Hub on this machine, which the Hub's libraries ask in place of the real one, with empty caches."""
    from hub_server import asked_in_place_of_the_hub, serving

    with serving() as server, asked_in_place_of_the_hub(server, tmp_path / "hf", monkeypatch):
        yield server


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Teachers that tests make never meet the user's, and no GLUE folder of the user's takes part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATEKD_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("GLUE_DIR", raising=False)
        yield


@pytest.fixture(scope="session")
def small_glue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GLUE folder with a few dozen made-up rows for RTE, SST-2 and STS-B; SST-2 is easy to learn."""
    folder = tmp_path_factory.mktemp("glue")
    for split, first, count in (("train", 0, 64), ("dev", 64, 40)):
        texts = [made_up(row) for row in range(first, first + count)]
        write_tsv(
            folder / "RTE" / f"{split}.tsv", ("index", "sentence1", "sentence2", "label"),
            [(str(row), one, two, ("entailment", "not_entailment")[row * 7 % 3 > 0]) for row, one, two in texts],
        )  # fmt: skip
        write_tsv(
            folder / "SST-2" / f"{split}.tsv", ("sentence", "label"),
            [(f"{one} {('bad', 'good')[row % 2]} film", str(row % 2)) for row, one, _ in texts],
        )  # fmt: skip
        write_tsv(
            folder / "STS-B" / f"{split}.tsv", ("index", "sentence1", "sentence2", "score"),
            [(str(row), one, two, f"{row % 11 / 2:.3f}") for row, one, two in texts],
        )  # fmt: skip
    return folder


def made_up(row: int) -> tuple[int, str, str]:
    """Two sentences that no other row has."""
    nouns, verbs = (
        ("man", "woman", "dog", "cat", "child", "bird"),
        ("runs", "eats", "sings", "walks", "sleeps"),
    )
    color = ("red", "blue", "small")[row % 3]
    one = f"the {nouns[row % 6]} {verbs[row % 5]} in the old house {row}"
    return row, one, f"a {nouns[row * 5 % 6]} {verbs[row // 3 % 5]} on a {color} tree , {row}"


def write_tsv(file: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes a file as GLUE does."""
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)), encoding="utf-8")


TINY_CONFIG = """\
preset = "minilm"

[teacher]
optimizer = { lr = 1e-3, batch_size = 16 }
budget = { limit = 4 }

[student]
start = "checkpoint"

[generator]
budget = { limit = 2 }

[training]
evaluations = 2
optimizer = { lr = 1e-3, batch_size = 8 }
"""


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config file under which teacher and generator are made in a second."""
    file = tmp_path_factory.mktemp("config") / "tiny.toml"
    file.write_text(TINY_CONFIG, encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def tunable_glue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SST-2 with enough rows to hold some out."""
    folder = tmp_path_factory.mktemp("tunable")
    for split, first, count in (("train", 0, 220), ("dev", 220, 30)):
        texts = [made_up(row) for row in range(first, first + count)]
        rows = [(f"{one} {('bad', 'good')[row % 2]} film", str(row % 2)) for row, one, _ in texts]
        write_tsv(folder / "SST-2" / f"{split}.tsv", ("sentence", "label"), rows)
    write_tsv(
        folder / "SST-2" / "test.tsv", ("index", "sentence"), [("0", "a good film"), ("1", "bad , bad")]
    )
    return folder


@pytest.fixture(scope="session")
def study_options(tiny_checkpoint: Path, small_glue: Path, tiny_config: Path) -> tuple[str, ...]:
    """Options of `run` for real runs that take less than a second; an option given again later wins."""
    return (
        *("--config", str(tiny_config), "--glue-dir", str(small_glue), "--teacher", str(tiny_checkpoint)),
        *("--student", "layers:2", "--generator", "layers:2", "--budget", "student_updates=4"),
        *("--device", "cpu", "--precision", "float32", "--threads", "1", "--quiet"),
    )


@pytest.fixture(scope="session")
def study_settings(tiny_checkpoint: Path, small_glue: Path, tiny_config: Path) -> dict[str, Any]:
    """The same as a dictionary for `make_request`."""
    return {
        "config": tiny_config, "glue_dir": small_glue, "teacher": str(tiny_checkpoint), "student": "layers:2",
        "generator": "layers:2", "budget": "student_updates=4", "device": "cpu", "precision": "float32", "threads": 1,
    }  # fmt: skip


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Any]:
    from synthetic import make

    return make


@pytest.fixture(scope="session")
def write_study() -> Callable[..., Any]:
    from synthetic import write

    return write


@pytest.fixture
def rig(tiny_checkpoint: Path) -> Callable[..., Rig]:
    """A maker of runs in miniature, each with the same weights: `rig(kind="single", teacher=None, **options)`."""
    from rig import Rig, toy_data

    def make(kind: str = "single", teacher: Path | None = None, rows: int = 32, **options: Any) -> Rig:
        return Rig(tiny_checkpoint, teacher or tiny_checkpoint, toy_data(kind, train=rows), **options)

    return make


@pytest.fixture(scope="session")
def rte_rows(small_glue: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The rows of the small RTE, as `tasks rows` writes them."""
    from matekd_bench.cli import main

    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    assert main(["tasks", "rows", "rte", "--glue-dir", str(small_glue), "--out", str(file)]) == 0
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def rte_answers(rte_rows: list[dict[str, str]], tmp_path: Path) -> Callable[..., Path]:
    """Write a file of teacher answers for these rows, by default all of them."""

    def make(chosen: list[dict[str, str]] | None = None, *more: object, **header: object) -> Path:
        labeled = [{**row, "answer": "entailment"} for row in (rte_rows if chosen is None else chosen)]
        lines = [{"header": {"smoothing": 0.1, **header}}, *labeled, *more]
        file = tmp_path / "a.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return file

    return make
