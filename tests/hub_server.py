"""A Hub on this machine: repositories held in memory, served as huggingface_hub and datasets ask for them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

ADDRESS = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)"
    r"(?:/(?P<what>revision|tree|paths-info)/(?P<revision>[^/]+)(?:/(?P<path>.*))?)?"
)
FILE = re.compile(r"/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.*)")
Files = Mapping[str, bytes]


@dataclass
class Repository:
    """The commits of a model or data set, by hash; branches and tags point to them."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """What goes wrong with the requests whose line, such as `GET /a/b`, matches `pattern`.

    `status` answers with an error; `broken` closes the connection after so many bytes of the body; `silent` waits so
    many seconds first. `times` is how often.
    """

    pattern: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: int | None = None
    silent: float = 0.0
    times: float = float("inf")


class HubServer:
    """Repositories, faults and a log of the requests of one server; `address` is what HF_ENDPOINT would hold."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.stopping = threading.Event()
        self.address = ""

    def add(self, kind: str, id: str, files: Files, ref: str = "main", commit: str | None = None) -> str:
        """Add a commit to the repository of `models` or `datasets`, let `ref` point to it, and return its hash."""
        repository = self.repositories.setdefault((kind, id), Repository())
        listing = json.dumps({path: blob_id(content) for path, content in files.items()}, sort_keys=True)
        commit = commit or hashlib.sha1(f"{id}{listing}".encode()).hexdigest()
        repository.commits[commit] = dict(files)
        repository.refs[ref] = commit
        return commit

    def fail(self, pattern: str, status: int | None = None, **options: object) -> None:
        """Let requests that match `pattern` fail, as :class:`Fault` says."""
        self.faults.append(Fault(pattern, status, **options))  # type: ignore[arg-type]

    def fault_of(self, line: str) -> Fault | None:
        """The first fault for a request that has not happened often enough."""
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, line):
                fault.times -= 1
                return fault
        return None


def blob_id(content: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Server(ThreadingHTTPServer):
    """A server that is silent about clients that hang up."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving() -> Iterator[HubServer]:
    """A running server on a free port of this machine."""
    hub = HubServer()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with _Server(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.stopping.set()
            server.shutdown()
            thread.join()


@contextmanager
def asked_in_place_of_the_hub(hub: HubServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the Hub's libraries in this process ask `hub`, keep their files in `home`, and wait for nothing."""
    import datasets.config
    import huggingface_hub
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    from matekd_bench.files.hub.network import hub_silence

    settings = {
        constants: {
            "ENDPOINT": hub.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.address + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DOWNLOAD_TIMEOUT": 0.3,
            "HF_TOKEN_PATH": str(home / "token"),
        },
        datasets.config: {
            "HF_ENDPOINT": hub.address,
            "HF_DATASETS_CACHE": home / "datasets",
            "HF_HUB_OFFLINE": False,
        },
    }
    for module, values in settings.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)
    for module in (_http, file_download):  # their waits before another try
        monkeypatch.setattr(module, "time", SimpleNamespace(time=time.time, sleep=lambda seconds: None))
    hub_silence.cache_clear()
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()
    huggingface_hub.HfFileSystem.clear_instance_cache()
    hub_silence.cache_clear()


def parquet(columns: Mapping[str, Sequence[object]]) -> bytes:
    """The bytes of a parquet file."""
    import pyarrow
    import pyarrow.parquet

    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), content)
    return content.getvalue()


def glue_files(
    configs: Mapping[str, Mapping[str, Mapping[str, Sequence[object]]]],
    classes: Mapping[str, Sequence[str]] = {},
) -> dict[str, bytes]:
    """The files of a data set such as GLUE: a README that names the configurations, and parquet for each split.

    For a configuration in `classes`, the README also describes columns and splits: labels are numbers with these names.
    """
    files, card = {}, ["---"]
    card += ["dataset_info:"] if classes else []
    for config, names in classes.items():
        card += [f"- config_name: {config}", "  features:"]
        card += [line for column in next(iter(configs[config].values())) for line in _feature(column, names)]
        card += ["  splits:"]
        for split, columns in configs[config].items():
            card += [f"  - name: {split}", f"    num_examples: {len(columns['label'])}"]
    card += ["configs:"]
    for config, splits in configs.items():
        card += [f"- config_name: {config}", "  data_files:"]
        for split, columns in splits.items():
            card += [f"  - split: {split}", f"    path: {config}/{split}-*"]
            files[f"{config}/{split}-00000-of-00001.parquet"] = parquet(columns)
    return {"README.md": "\n".join([*card, "---", ""]).encode(), **files}


def _feature(column: str, names: Sequence[str]) -> list[str]:
    """The lines of a README on one column."""
    lines = [f"  - name: {column}", f"    dtype: {'int32' if column == 'idx' else 'string'}"]
    if column == "label":
        named = [f"          '{number}': {name}" for number, name in enumerate(names)]
        lines[1:] = ["    dtype:", "      class_label:", "        names:", *named]
    return lines


def model_files(folder: Path) -> dict[str, bytes]:
    """The files of a checkpoint's folder, to be served."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        line = f"{self.command} {path}"
        self.hub.requests.append(line)
        fault = self.hub.fault_of(line) or Fault("")
        if fault.silent:
            self.hub.stopping.wait(fault.silent)
        if fault.status is not None:
            self._send(fault.status, b"{}", fault.headers)
        elif path == "/":
            self._send(200, b"a Hub", {})
        elif match := FILE.fullmatch(path):
            self._file(match, fault)
        elif match := ADDRESS.fullmatch(path):
            self._listing(match, parse_qs(body.decode()))
        else:
            self._missing("RepoNotFound")

    def _found(self, match: re.Match[str]) -> tuple[str, Files] | None:
        """The commit that a request is about, with its files; None, after an answer, if there is none."""
        kind = (match["kind"] or "models").strip("/")
        repository = self.hub.repositories.get((kind, match["id"]))
        if repository is None:
            self._missing("RepoNotFound")
            return None
        revision = match["revision"] or "main"
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            self._missing("RevisionNotFound")
            return None
        return commit, repository.commits[commit]

    def _file(self, match: re.Match[str], fault: Fault) -> None:
        if (found := self._found(match)) is None:
            return
        commit, files = found
        if match["path"] not in files:
            self._missing("EntryNotFound", {"X-Repo-Commit": commit})
            return
        content = files[match["path"]]
        headers = {"ETag": f'"{blob_id(content)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        status = 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(asked[1]), int(asked[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            status, content = 206, content[first : last + 1]
        self._send(status, content, headers, fault.broken)

    def _listing(self, match: re.Match[str], form: Mapping[str, list[str]]) -> None:
        if (found := self._found(match)) is None:
            return
        commit, files = found
        if match["what"] in ("tree", "paths-info"):
            within = form.get("paths") if match["what"] == "paths-info" else [match["path"] or ""]
            self._json(list(_entries(files, [path.strip("/") for path in within or ()], match["what"])))
        else:
            siblings = [{"rfilename": path} for path in files]
            self._json({"id": match["id"], "sha": commit, "siblings": siblings, "private": False, "tags": []})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _missing(self, code: str, headers: Mapping[str, str] = {}) -> None:
        self._send(404, b"{}", {"X-Error-Code": code, **headers})

    def _send(
        self, status: int, content: bytes, headers: Mapping[str, str], broken: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:broken])
        if broken is not None:
            self.close_connection = True


def _entries(files: Files, within: list[str], what: str) -> Iterator[dict[str, object]]:
    """The files, and the folders that lead to them, that a listing names."""
    folders = {path.rpartition("/")[0] for path in files} - {""}
    for path in sorted(folders | set(files)):
        asked = (
            path in within
            if what == "paths-info"
            else any(not at or path.startswith(f"{at}/") for at in within)
        )
        if asked and path in files:
            yield {"type": "file", "path": path, "size": len(files[path]), "oid": blob_id(files[path])}
        elif asked:
            yield {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}
