"""Every fault of the Hub, the network and the cache is one line that names the repository and what to do."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import datasets.config
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import httpx

from hub_server import HubServer, glue_files, model_files
from matekd_bench.distill.models.checkpoints import find_checkpoint
from matekd_bench.errors import BenchError, CheckpointError, DataError
from matekd_bench.files.hub.hub_errors import hub_errors
from matekd_bench.files.hub.hub_repository import HubRepository
from matekd_bench.tasks.sources import Hub
from matekd_tasks import matekd_bench_tasks

RTE = next(task for task in matekd_bench_tasks() if task.name == "rte")
ROWS = {"sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": ["entailment", "not_entailment"]}
LISTING = r"GET /api/.*/tree/"
CONTENT = r"GET .*(safetensors|parquet)$"
EVERYTHING = r"(HEAD|GET) /.*(resolve|api/(models|datasets))"


@pytest.fixture
def served(hub: HubServer, tiny_checkpoint: Path) -> HubServer:
    """A Hub with a model and the data of RTE."""
    hub.add("models", "some/model", model_files(tiny_checkpoint))
    files = glue_files({"rte": {"train": ROWS, "validation": ROWS}})
    hub.add("datasets", "nyu-mll/glue", files, commit=RTE.hub_revision)
    return hub


def problem(kind: str) -> str:
    """What a model or a data set says, in one line."""
    with pytest.raises(BenchError) as caught:
        find_checkpoint("some/model") if kind == "model" else Hub().splits(RTE)
    assert type(caught.value) is {"model": CheckpointError, "dataset": DataError}[kind]
    text = str(caught.value)
    assert "\n" not in text
    assert {"model": "some/model", "dataset": "nyu-mll/glue"}[kind] in text
    return text


def problems() -> list[str]:
    return [problem("model"), problem("dataset")]


@pytest.mark.parametrize(
    ("pattern", "status", "headers", "named"),
    [
        (EVERYTHING, 403, {"X-Error-Code": "GatedRepo"}, "some/model|datasets/nyu-mll/glue"),
        (CONTENT, 403, {"X-Error-Code": "GatedRepo"}, "some/model|datasets/nyu-mll/glue"),
        (EVERYTHING, 403, {}, "403"),
        (EVERYTHING, 404, {"X-Error-Code": "RepoNotFound"}, "private"),
        (EVERYTHING, 401, {"X-Error-Code": "RepoNotFound"}, "private"),
        (EVERYTHING, 404, {"X-Error-Code": "RevisionNotFound"}, "revision"),
        (EVERYTHING, 407, {}, "HTTPS_PROXY"),
        (EVERYTHING, 429, {"Retry-After": "7"}, "429.*7 seconds"),
        (LISTING, 429, {}, "429"),
        (CONTENT, 429, {}, "429"),
        (EVERYTHING, 503, {}, "503"),
        (LISTING, 500, {}, "500"),
        (CONTENT, 502, {}, "502"),
    ],
)  # fmt: skip
def test_what_the_hub_answers(
    pattern: str, status: int, headers: dict[str, str], named: str, served: HubServer
) -> None:
    served.fail(pattern, status, headers=headers)
    for text in problems():
        assert re.search(named, text), text


@pytest.mark.parametrize("options", [{"broken": 50}, {"silent": 1.0}])
def test_a_connection_that_breaks_off_or_is_slow(options: dict[str, float], served: HubServer) -> None:
    served.fail(CONTENT, **options)
    named = "was lost" if "broken" in options else "in time"
    assert all(named in text for text in problems())


def test_what_breaks_off_once_is_resumed_where_it_was(served: HubServer) -> None:
    served.fail(CONTENT, broken=50, times=1)
    assert find_checkpoint("some/model").revision
    assert sum("safetensors" in line and line.startswith("GET") for line in served.requests) == 2


def test_after_a_fault_the_next_call_continues(served: HubServer) -> None:
    served.fail(CONTENT, 503)
    problems()
    served.faults.clear()
    served.requests.clear()
    assert find_checkpoint("some/model").revision
    assert set(Hub().splits(RTE)) == {"train", "validation"}
    assert not [line for line in served.requests if line.startswith("GET") and line.endswith("config.json")]


def test_nobody_answers(served: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    assert all("cannot be reached" in text and "refused" in text for text in problems())


def test_a_proxy_that_nobody_runs(served: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://somebody:secret@127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    text = problem("model")
    assert "HTTP_PROXY" in text
    assert "secret" not in text


@pytest.mark.parametrize(("kind", "cache"), [("model", "HF_HUB_CACHE"), ("dataset", "HF_DATASETS_CACHE")])
def test_a_cache_that_cannot_be_written(
    kind: str, cache: str, served: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants if kind == "model" else datasets.config, cache, tmp_path / "file" / "cache")
    assert re.search(f"{tmp_path}.*HF_HOME", problem(kind))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_is_full_or_read_only(code: int) -> None:
    repository = HubRepository("model", "some/model")
    with (
        pytest.raises(CheckpointError, match=r"some/model.*/a/file.*HF_HOME"),
        hub_errors(CheckpointError, repository, ""),
    ):
        raise OSError(code, "no", "/a/file")


@pytest.mark.parametrize("error", [OSError("odd"), RuntimeError("odd"), httpx.InvalidURL("odd")])
def test_what_has_no_sentence_of_its_own_is_one_line_too(error: Exception) -> None:
    repository = HubRepository("dataset", "a/b")
    with pytest.raises(DataError, match=r"'a/b'.*odd"), hub_errors(DataError, repository, ""):
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), hub_errors(DataError, HubRepository("model", "a/b"), ""):
        raise ZeroDivisionError


def test_a_token_that_is_refused(served: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    served.fail(EVERYTHING, 401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
    assert all("refuses the token" in text for text in problems())
