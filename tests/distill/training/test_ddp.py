"""How processes that train together find each other, and what keeps them from it."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch

from matekd_bench.distill.training import ddp
from matekd_bench.distill.training.ddp import ProcessGroup, buckets, check_own_gpus
from matekd_bench.errors import LostProcessError, UsageError


def test_a_process_that_dies_before_all_have_met_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    variables = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ddp, "MEETING_TIMEOUT", timedelta(seconds=1))  # how long the thread stays behind
    with pytest.raises(LostProcessError, match="process 2 of 2 died") as caught:
        ProcessGroup(torch.device("cpu"), died=lambda: "process 2 of 2 died")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("gpus", ["abc", "aba"])
def test_two_processes_on_one_gpu_are_refused_in_each(gpus: str) -> None:
    store = torch.distributed.HashStore()

    def problem(rank: int) -> str | None:
        try:
            check_own_gpus(store, rank, len(gpus), gpus[rank])
        except UsageError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(3) as threads:
        problems = list(threads.map(problem, range(3)))
    for said in problems:
        assert (said is None) == (gpus == "abc")
        assert said is None or "1 and 3" in said


def test_buckets_hold_parameters_in_order_up_to_their_size() -> None:
    sizes = [3, 4, 2, 9, 1, 1, 5]
    parameters = [torch.zeros(size) for size in sizes]
    parameters[-2] = parameters[-2].double()
    found = [[parameter.numel() for parameter in bucket] for bucket in buckets(parameters, 7)]
    assert found == [[3, 4], [2], [9], [1], [1], [5]]
    listed = [parameter for bucket in buckets(parameters, 7) for parameter in bucket]
    assert all(one is two for one, two in zip(listed, parameters, strict=True))
    assert list(buckets([])) == []
