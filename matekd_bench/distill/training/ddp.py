"""Processes that train one run together: each takes a share of the rows, and their gradients are summed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from matekd_bench.distill.training.peer_watch import LOST_SECONDS, PeerWatch
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import LostProcessError, RunError, UsageError, one_line, traceback_of
from matekd_bench.foreign_code import foreign_code

MEETING_TIMEOUT = timedelta(minutes=10)  # for all processes to start, or to report why they failed
# Long, because one process may wait for a file lock meanwhile. The watch notices when a process dies.
COLLECTIVE_TIMEOUT = timedelta(days=1)
POLL_SECONDS = 0.2  # between two looks whether a process has died before the group has formed
BUCKET = 2**25  # numbers that an all-reduce of gradients sends at most: 128 MiB in float32
T = TypeVar("T")


class LostPeerError(RunError):
    """An error for a run in which another process failed or disappeared."""


def buckets(parameters: Iterable[Tensor], size: int = BUCKET) -> Iterator[list[Tensor]]:
    """Divide parameters, in their order, into lists of one type with at most `size` numbers, or of one parameter."""
    bucket: list[Tensor] = []
    for parameter in parameters:
        full = sum(tensor.numel() for tensor in bucket) + parameter.numel() > size
        if bucket and (full or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket


class Ranks:
    """The processes of a run that is trained by one process, and the base class for several.

    `rank` is the number of this process, from 0; `size` is the number of processes.
    """

    rank, size = 0, 1

    @property
    def leads(self) -> bool:
        """True in the process that writes files and reports progress: rank 0."""
        return self.rank == 0

    def share(self, pieces: Sequence[T]) -> Sequence[T]:
        """Return this process's share of `pieces`: the pieces of an update or the batches of a split."""
        return pieces[self.rank :: self.size]

    def rows_per_pass(self, micro_batch: int | None, batch_size: int) -> int | None:
        """Return the rows per forward pass, or None for the whole batch; every process gets rows of a full batch."""
        return micro_batch

    def reduce(
        self, parameters: Iterable[Tensor], numbers: Sequence[float], error: Exception | None = None
    ) -> list[float]:
        """Sum the gradients of `parameters` over the processes, in place, and return the sums of `numbers`.

        `error` is the exception that kept this process from computing them, if any. It is raised here, and the
        other processes raise LostPeerError.
        """
        if error is not None:
            raise error
        return list(numbers)

    def any(self, flag: bool) -> bool:
        """Return True if `flag` is true in any process."""
        return flag

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, ordered by rank."""
        return [value]

    def announce(self, value: T) -> T:
        """Return the value of the leader (rank 0) in every process."""
        return value

    def close(self) -> None:
        """Leave the other processes; a single process does nothing."""

    def run_or_fail_together(self, act: Callable[[], T]) -> T:
        """Run `act` in every process and return its result; if it fails in one process, all processes raise.

        Only the failing process raises the original exception; the others raise LostPeerError.
        """
        error: Exception | None = None
        try:
            with foreign_code():
                result = act()
        except PausedError:  # every process raises it at the same update, so there is nothing to exchange
            raise
        except Exception as raised:
            error = raised
        failed = self.any(error is not None)
        if error is not None:
            raise error
        if failed:
            raise LostPeerError("another process of this run failed")
        return result

    def run_sharing_errors(self, act: Callable[[], T]) -> T:
        """Run `act` and return its result; if one process fails, all processes raise with its reason."""
        with foreign_code():
            return act()


ALONE = Ranks()


def dry_run_ranks(size: int) -> Ranks:
    """Make the ranks of a dry run: one process that plans for `size` processes but connects to none."""
    ranks = Ranks()
    ranks.size = size
    return ranks


class ProcessGroup(Ranks):
    """Several processes, connected by a torch process group: gloo between CPUs, NCCL between GPUs.

    All processes must call each method at the same point of the program.
    """

    def __init__(
        self, device: torch.device, *, died: Callable[[], str | None] = lambda: None,
        on_lost: Callable[[str], None] = lambda reason: None,
    ) -> None:  # fmt: skip
        """Form the group of the processes that the environment describes.

        `died` and `on_lost` are those of :class:`PeerWatch`. Raises LostProcessError if a process dies meanwhile, and
        UsageError if two processes have the same GPU.
        """
        self._device = device
        self._calls = 0  # of `run_sharing_errors`: each call has its own keys in the store
        self._form_unless(died)
        self._watch = PeerWatch(
            self._store, self.rank, self.size, died=died,
            on_lost=lambda reason: self._end(reason, on_lost),
        )  # fmt: skip

    def _form_unless(self, died: Callable[[], str | None]) -> None:
        """Form the group in a thread, so that this one can end when a process dies before all have joined."""
        errors: list[Exception] = []

        def form() -> None:
            try:
                self._form()
            except Exception as error:  # raised below, in the thread of the caller
                errors.append(error)

        thread = threading.Thread(target=form, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if thread.is_alive() and (reason := died()) is not None:
                raise LostProcessError(reason)
        for error in errors:
            raise error

    def _form(self) -> None:
        from torch.distributed.rendezvous import rendezvous

        self._store, self.rank, self.size = next(iter(rendezvous("env://", timeout=MEETING_TIMEOUT)))
        if self._device.type == "cuda":
            check_own_gpus(self._store, self.rank, self.size, gpu_name(self._device))
            # Torch would end the process after an error of NCCL; the watch aborts the group instead.
            os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
        torch.distributed.init_process_group(
            "nccl" if self._device.type == "cuda" else "gloo", store=self._store, rank=self.rank,
            world_size=self.size, timeout=COLLECTIVE_TIMEOUT,
        )  # fmt: skip

    def _end(self, reason: str, on_lost: Callable[[str], None]) -> None:
        """End what waits for a lost process; called in the thread of the watch."""
        if self._device.type == "cuda":  # gloo notices by itself that a connection has broken
            with suppress(RuntimeError, AssertionError, ValueError):
                torch.distributed.distributed_c10d._abort_process_group()
        on_lost(reason)

    def close(self) -> None:
        """Leave the process group, and end the watch."""
        self._watch.close()
        if torch.distributed.is_initialized():  # an aborted group is not
            torch.distributed.destroy_process_group()

    def rows_per_pass(self, micro_batch: int | None, batch_size: int) -> int | None:
        """Return `micro_batch`, at most an equal share of the batch: every process gets rows of a full batch."""
        share = -(-batch_size // self.size)
        return share if micro_batch is None else min(micro_batch, share)

    def reduce(
        self, parameters: Iterable[Tensor], numbers: Sequence[float], error: Exception | None = None
    ) -> list[float]:
        """Do so with an all-reduce of the numbers, then with one for each bucket of gradients.

        A parameter gets a gradient if it has one in any process; otherwise its gradient stays None. Beside the
        gradients the sums need the memory of one bucket.
        """
        parameters = list(parameters)
        flags = [float(parameter.grad is not None) for parameter in parameters]
        dtype = parameters[0].dtype if parameters else torch.float32
        total = torch.tensor([*flags, *numbers, float(error is not None)], dtype=dtype, device=self._device)
        self._call(lambda: torch.distributed.all_reduce(total))
        sums: list[float] = total.tolist()
        # After the all-reduce: until then the other processes wait for this one.
        if error is not None:
            raise error
        if sums.pop():
            raise LostPeerError("another process of this run failed")
        # strict=False: numbers follow the flags.
        for bucket in buckets(parameter for parameter, flag in zip(parameters, sums, strict=False) if flag):
            self._sum_gradients(bucket)
        return sums[len(flags) :]

    def _sum_gradients(self, bucket: Sequence[Tensor]) -> None:
        """Replace the gradients of parameters by their sums; one that is missing here is in another process."""
        gradients = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in bucket
        ]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self._call(lambda: torch.distributed.all_reduce(flat))
        parts = flat.split([gradient.numel() for gradient in gradients])
        for parameter, gradient, part in zip(bucket, gradients, parts, strict=True):
            parameter.grad = gradient.copy_(part.view_as(gradient))

    def any(self, flag: bool) -> bool:
        """Return True if `flag` is true in any process, found by summing the flags."""
        total = torch.tensor(float(flag), device=self._device)
        self._call(lambda: torch.distributed.all_reduce(total))
        return bool(total > 0)

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, ordered by rank; each sends its value to all others."""
        values: list[Any] = [None] * self.size
        self._call(lambda: torch.distributed.all_gather_object(values, value))
        return values

    def announce(self, value: T) -> T:
        """Return the value of the leader (rank 0) in every process; the leader sends it."""
        values = [value]
        self._call(lambda: torch.distributed.broadcast_object_list(values, src=0))
        return values[0]

    def _call(self, communicate: Callable[[], Any]) -> None:
        """Run one collective operation; raise LostPeerError where torch reports that it failed."""
        try:
            communicate()
            if self._watch.reason is not None:  # NCCL leaves wrong numbers after an abort
                raise RuntimeError(self._watch.reason)
        except (RuntimeError, ValueError) as error:  # ValueError: the group is aborted
            self._watch.suspect()
            raise LostPeerError(
                f"another process of this run failed: {str(error).splitlines()[0]}"
            ) from error

    def run_sharing_errors(self, act: Callable[[], T]) -> T:
        """Run `act` and return its result; if it raises in one process, it raises in all, with the first reason.

        A process that fails waits until the others have failed too.
        """
        self._calls += 1
        try:
            with foreign_code():
                return act()
        except PausedError:  # every process raises it at the same update, so there is nothing to exchange
            raise
        except Exception as error:
            # LostPeerError only reports the failure of another process, so it gives no reason of its own.
            lost = isinstance(error, LostPeerError)
            own = ("", "") if lost else (one_line(error), traceback_of(error))
            failures = [failure for failure in self._exchange_failures(own) if failure[0]]
            if lost and failures:
                reason, where = failures[0]
                shared = RunError(reason)
                shared.add_note(where.rstrip())  # so that its traceback shows that of the other process
                raise shared from error
            raise

    def _exchange_failures(self, failure: tuple[str, str]) -> list[tuple[str, str]]:
        """Return reason and traceback of all processes, by rank; end this process if another one sends none.

        They go through the key-value store, since a collective operation may be the thing that failed.
        """
        keys = [f"act-{self._calls}-{rank}" for rank in range(self.size)]
        try:
            self._store.set(keys[self.rank], json.dumps(failure))
            self._wait_for(keys)
            return [tuple(json.loads(self._store.get(key))) for key in keys]
        except RuntimeError:  # the store is gone: the watch will report the lost process
            reason = self._watch.wait(LOST_SECONDS)
        raise LostProcessError(reason or "the processes of a run have lost contact")

    def _wait_for(self, keys: Sequence[str]) -> None:
        """Wait until the store has all keys; raise RuntimeError if a process is lost, or after MEETING_TIMEOUT."""
        for _ in range(int(MEETING_TIMEOUT.total_seconds() / POLL_SECONDS)):
            if self._store.check(list(keys)):
                return
            if self._watch.wait(POLL_SECONDS) is not None:
                break
        raise RuntimeError("not all processes have failed")


def gpu_name(device: torch.device) -> str:
    """Return a GPU's name, which is unique across machines."""
    return str(torch.cuda.get_device_properties(device).uuid)


def check_own_gpus(store: Any, rank: int, size: int, name: str) -> None:
    """Raise UsageError in every process if two of them have the same GPU, which NCCL cannot use twice.

    `name` is the name of this process's GPU.
    """
    store.set(f"gpu-{rank}", name)
    names = [store.get(f"gpu-{other}").decode() for other in range(size)]  # waits for each of them
    first_of: dict[str, int] = {}
    for number, gpu in enumerate(names, 1):
        if first_of.setdefault(gpu, number) != number:
            raise UsageError(
                f"processes {first_of[gpu]} and {number} of {size} would train on the same GPU: each process needs its "
                f"own.",
                hint="Start as many processes on a machine as it has GPUs, or make a different GPU visible to each "
                "process.",
            )
