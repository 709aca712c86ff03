"""The processes that train one run together: which rows are whose, and how their gradients become one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import RunError

MEETING = timedelta(minutes=10)  # for all processes to start
WAITING = timedelta(days=7)  # for each other: one may wait for a lock; one that dies is noticed at once
T = TypeVar("T")


class LostPeerError(RunError):
    """Another process of the run has failed or is gone."""


class Ranks:
    """One process alone: everything is its own, and there is nobody to wait for."""

    rank, size = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def mine(self, pieces: Sequence[T]) -> Sequence[T]:
        """This process's share of the pieces of an update, or of the batches of a split."""
        return pieces[self.rank :: self.size]

    def rows_per_pass(self, micro_batch: int | None, batch_size: int) -> int | None:
        """The rows of a piece, so that every process has one; None: the whole batch."""
        return micro_batch

    def reduce(
        self, parameters: Sequence[Tensor], numbers: Sequence[float], error: Exception | None = None
    ) -> list[float]:
        """Sums gradients over the processes, in place, and returns the sums of the numbers.

        Raises the `error` that kept this process from computing them, LostPeerError in the others.
        """
        if error is not None:
            raise error
        return list(numbers)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return flag

    def gather(self, value: T) -> list[T]:
        """The value of each process, by rank."""
        return [value]

    def announce(self, value: T) -> T:
        """The leader's value, in every process."""
        return value

    def jointly(self, act: Callable[[], T]) -> T:
        """What `act` returns, once it is done everywhere; where it fails in one process it fails in all."""
        error: Exception | None = None
        try:
            done = act()
        except PausedError:  # all stop at the same update
            raise
        except Exception as raised:
            error = raised
        failed = self.any(error is not None)
        if error is not None:
            raise error
        if failed:
            raise LostPeerError("another process of this run failed")
        return done

    def together(self, act: Callable[[], T]) -> T:
        """What `act` returns, once it is done everywhere; an exception of one process reaches all."""
        return act()


ALONE = Ranks()


def planned(size: int) -> Ranks:
    """One process that plans for so many."""
    ranks = Ranks()
    ranks.size = size
    return ranks


class ProcessGroup(Ranks):
    """Several processes, connected through torch's process groups: gloo between CPUs, NCCL between GPUs.

    Every method is called by all of them at the same point.
    """

    def __init__(self, device: torch.device) -> None:
        from torch.distributed.rendezvous import rendezvous

        self._device = device
        self._store, self.rank, self.size = next(iter(rendezvous("env://", timeout=MEETING)))
        self._acts = 0
        torch.distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo", store=self._store, rank=self.rank, world_size=self.size,
            timeout=WAITING,
        )  # fmt: skip

    def close(self) -> None:
        """Leaves the group."""
        torch.distributed.destroy_process_group()

    def rows_per_pass(self, micro_batch: int | None, batch_size: int) -> int | None:
        """As asked for, but no more than an equal share of a batch."""
        share = -(-batch_size // self.size)
        return share if micro_batch is None else min(micro_batch, share)

    def reduce(
        self, parameters: Sequence[Tensor], numbers: Sequence[float], error: Exception | None = None
    ) -> list[float]:
        """One flat all-reduce: gradients, a flag for each parameter that has one anywhere, and the numbers."""
        flags = [float(one.grad is not None) for one in parameters]
        dtype = parameters[0].dtype if parameters else torch.float32
        rest = torch.tensor([*flags, *numbers, float(error is not None)], dtype=dtype, device=self._device)
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flat = torch.cat([*(part.reshape(-1).to(dtype) for part in parts), rest])
        self._call(lambda: torch.distributed.all_reduce(flat))
        sums: list[float] = flat[len(flat) - len(rest) :].tolist()
        if error is not None:
            raise error
        if sums.pop():
            raise LostPeerError("another process of this run failed")
        start = 0
        for one, flag in zip(parameters, sums, strict=False):
            if flag:
                one.grad = flat[start : start + one.numel()].view_as(one).to(one.dtype)
            start += one.numel()
        return sums[len(flags) :]

    def any(self, flag: bool) -> bool:
        """One number summed."""
        total = torch.tensor(float(flag), device=self._device)
        self._call(lambda: torch.distributed.all_reduce(total))
        return bool(total > 0)

    def gather(self, value: T) -> list[T]:
        """Sent from each to each."""
        values: list[Any] = [None] * self.size
        self._call(lambda: torch.distributed.all_gather_object(values, value))
        return values

    def announce(self, value: T) -> T:
        """Sent by the leader."""
        values = [value]
        self._call(lambda: torch.distributed.broadcast_object_list(values, src=0))
        return values[0]

    def _call(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except RuntimeError as error:
            raise LostPeerError(
                f"another process of this run failed: {str(error).splitlines()[0]}"
            ) from error

    def together(self, act: Callable[[], T]) -> T:
        """Where `act` raises in one process it raises in all, with its reason; they meet before they go on."""
        self._acts += 1
        try:
            return act()
        except PausedError:  # all stop at the same update
            raise
        except Exception as error:
            own = "" if isinstance(error, LostPeerError) else f"{type(error).__name__}: {error}"
            reasons = [reason for reason in self._told(own) if reason]
            if isinstance(error, LostPeerError) and reasons:
                raise RunError(reasons[0]) from error
            raise

    def _told(self, reason: str) -> list[str]:
        """Why `act` failed in each process; where one does not fail too it is beyond meeting, and this one ends."""
        keys = [f"act-{self._acts}-{rank}" for rank in range(self.size)]
        self._store.set(keys[self.rank], reason)
        try:
            self._store.wait(keys, MEETING)
        except RuntimeError as error:
            raise SystemExit(
                "the processes of a run lost each other; run the same command to resume."
            ) from error
        return [self._store.get(key).decode() for key in keys]


def asked_for(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes a launcher such as torchrun has started for each run; 1 without one."""
    size = environment.get("WORLD_SIZE", "")
    return int(size) if size.isdecimal() and "RANK" in environment else 1
