"""Whether the Hub answers, asked of servers on this machine."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import datasets.config
import evaluate.config
import pytest
from huggingface_hub import constants

from matekd_bench.files.hub.network import hub_answers, hub_silence, without_retries


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with 403."""

    def do_HEAD(self) -> None:
        self.send_response(403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that refuses everything."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine whose user did not ask for offline work; no answer is remembered."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    hub_silence.cache_clear()
    yield
    hub_silence.cache_clear()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_any_answer_counts(scheme: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # over https the server's answer is no TLS: a certificate that cannot be checked looks the same from here
    monkeypatch.setattr(constants, "ENDPOINT", f"{scheme}://{server}")
    assert hub_answers(5.0)


def test_nobody_there_a_silent_server_and_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free, socket.create_server(("127.0.0.1", 0)) as silent:
        free.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in (free, silent)]
        for address in ("no address", *(f"http://127.0.0.1:{port}" for port in ports)):
            monkeypatch.setattr(constants, "ENDPOINT", address)
            hub_silence.cache_clear()
            assert not hub_answers(0.2), address


def test_nobody_is_asked_offline(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", f"http://{server}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not hub_answers(5.0)


@pytest.mark.parametrize("answers", [True, False])
def test_the_libraries_work_offline_where_the_hub_is_silent(
    answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matekd_bench.files.hub.network.hub_answers", lambda: answers)
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    with without_retries():
        offline = (
            constants.HF_HUB_OFFLINE,
            datasets.config.HF_HUB_OFFLINE,
            evaluate.config.HF_EVALUATE_OFFLINE,
        )
        assert offline == (not answers,) * 3
        assert logger.level == logging.ERROR
    assert (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE) == (False, False)
    assert not evaluate.config.HF_EVALUATE_OFFLINE
    assert logger.level == before
