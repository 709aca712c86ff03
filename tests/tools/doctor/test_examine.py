"""GLUE folder, WordNet, plugins and network as doctor sees them, and the whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from matekd_bench.files.hub.network import hub_silence
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.provided import PluginInfo
from matekd_bench.tools.doctor import examine, glue_and_wordnet
from matekd_bench.tools.doctor.finding import Finding
from small_wordnet import write_wordnet

HOST = Host.load(only_builtin=True)


@pytest.fixture
def small(small_glue: Path, tmp_path: Path) -> Path:
    """A copy of the small GLUE folder; its tasks are all partial."""
    shutil.copytree(small_glue, tmp_path / "glue")
    return tmp_path / "glue"


def test_partial_tasks_are_named_with_their_rows(small: Path) -> None:
    whole, *partial = glue_and_wordnet.glue_folder(small, HOST)
    assert whole.state == "ok"
    assert whole.text.startswith(f"{small}: complete none; absent ")
    assert "cola" in whole.text.partition("absent ")[2]
    told = {check.name: check.text for check in partial}
    assert told["rte"] == "partial: train 64 of 2490, dev 40 of 277"
    assert set(told) == {"rte", "sst2", "stsb"}
    assert {check.state for check in partial} == {"missing"}


def test_an_absent_split_and_a_damaged_file(small: Path) -> None:
    (small / "RTE" / "dev.tsv").unlink()
    (small / "SST-2" / "train.tsv").write_text("nonsense\n")
    told = {check.name: check for check in glue_and_wordnet.glue_folder(small, HOST)}
    assert told["rte"].text == "partial: train 64 of 2490, dev absent"
    assert (told["sst2"].state, told["sst2"].todo) == ("problem", "download this task again")
    assert "train.tsv" in told["sst2"].text


def test_a_complete_task(glue_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(glue_dir / "RTE", tmp_path / "RTE")
    [check] = glue_and_wordnet.glue_folder(tmp_path, HOST)
    assert check.text.startswith(f"{tmp_path}: complete rte; absent ")


def test_no_folder_is_fine_a_wrong_one_is_not(tmp_path: Path) -> None:
    [unnamed] = glue_and_wordnet.glue_folder(None, HOST)
    assert (unnamed.state, "GLUE_DIR" in unnamed.todo) == ("missing", True)
    [wrong] = glue_and_wordnet.glue_folder(tmp_path / "nowhere", HOST)
    assert (wrong.state, wrong.text) == ("problem", f"'{tmp_path / 'nowhere'}' is not a folder")
    [empty] = glue_and_wordnet.glue_folder(tmp_path, HOST)
    assert empty.state == "missing"


def test_wordnet_is_absent_damaged_or_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nltk.data.path", [])
    monkeypatch.setattr("matekd_bench.methods.thesaurus.DEBIAN", tmp_path / "nowhere")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    tmp_path.chmod(0o700)
    [absent] = glue_and_wordnet.wordnet(HOST)
    assert (absent.state, absent.todo) == ("missing", "python -m nltk.downloader wordnet")
    archive = tmp_path / "corpora" / "wordnet.zip"
    archive.parent.mkdir()
    archive.write_bytes(b"cut off")
    archive.chmod(0o600)
    [damaged] = glue_and_wordnet.wordnet(HOST)
    assert damaged.state == "problem"
    assert damaged.text.startswith(str(archive))
    assert "cannot be read" in damaged.todo
    folder = write_wordnet(tmp_path / "corpora" / "wordnet")
    [found] = glue_and_wordnet.wordnet(HOST)
    assert found.state == "ok"
    assert found.text.startswith(str(folder))
    assert "eda" in found.text


def test_plugins_that_are_left_out_or_in_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [fine] = examine.plugins(HOST)
    assert (fine.state, fine.text.startswith(f"{len(HOST.methods)} methods, ")) == ("ok", True)
    text = (
        "from matekd_bench import Method, hookimpl\n\n\n@hookimpl\ndef matekd_bench_methods():\n"
        "    yield Method(name='kd', summary='', factory=print, level='text', version='1')\n"
    )
    (tmp_path / "again.py").write_text(text)
    _, clash = examine.plugins(Host.load([tmp_path / "again.py"], only_builtin=True))
    assert (clash.name, clash.state) == ("kd", "problem")
    assert "again.py" in clash.text


def test_a_broken_plugin_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    by = ProvidedBy("sad", "sad-plugin", "1.0")
    host = Host({}, {}, {}, (PluginInfo(by, status="broken", reason="ImportError: no x"),), {}, {})
    loaded, broken = examine.plugins(host)
    assert loaded.state == "problem"  # a suite without any method is of no use
    assert broken.text == "sad-plugin 1.0 (plugin 'sad') was left out: ImportError: no x"
    assert "--no-plugins" in broken.todo


def test_the_network_is_asked_only_if_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(
        "matekd_bench.files.hub.network.hub_answers", lambda seconds: bool(asked.append(seconds))
    )
    quiet = [check.topic for check in examine.examine(HOST, None)]
    assert not asked
    loud = [check.topic for check in examine.examine(HOST, None, network=True)]
    assert asked == [3.0]
    assert set(loud) - set(quiet) == {"network"}
    assert list(dict.fromkeys(quiet)) == ["versions", "plugins", "caches", "models", "data", "devices"]


def test_the_hub_is_silent_offline_or_there(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_silence.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    [offline] = examine.hub()
    assert "HF_HUB_OFFLINE" in offline.todo
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for answers, state in ((True, "ok"), (False, "missing")):
        monkeypatch.setattr("matekd_bench.files.hub.network.hub_answers", lambda seconds, says=answers: says)
        [check] = examine.hub()
        assert (check.state, constants.ENDPOINT in check.text) == (state, True)


def test_a_look_that_fails_costs_its_own_line() -> None:
    def look() -> Iterator[Finding]:
        yield Finding("data", "first", "ok", "")
        raise PermissionError(13, "Permission denied", "secret")

    first, failed = examine.guarded("data", look)
    assert first.name == "first"
    assert failed.state == "problem"
    assert "PermissionError: [Errno 13] Permission denied: 'secret'" in failed.text
