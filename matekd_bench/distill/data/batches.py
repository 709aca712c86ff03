"""Batches as tensors: padding, assembly in the background, moving to the device."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import PlannedUpdate
from matekd_bench.methods.rows import Encoded, Row
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of

T = TypeVar("T")


def pad(rows: Sequence[Encoded], pad_id: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """ids, attention mask, special flags and token types [B, L] of rows padded to the longest, on the CPU."""
    length = max(len(row.ids) for row in rows)
    gaps = [length - len(row.ids) for row in rows]
    pairs = list(zip(rows, gaps, strict=True))
    ids = torch.tensor([row.ids + [pad_id] * gap for row, gap in pairs])
    mask = torch.tensor([[1] * (length - gap) + [0] * gap for gap in gaps])
    special = torch.tensor([row.special + [True] * gap for row, gap in pairs])
    if rows[0].types is None:
        return ids, mask, special, None
    return ids, mask, special, torch.tensor([(row.types or []) + [0] * gap for row, gap in pairs])


class Assembler:
    """Makes batches of a corpus: on the CPU in the background (with what the method prepares), then on the device."""

    def __init__(
        self,
        corpus: Corpus,
        seed: int,
        task: str,
        ahead: Callable[[Sequence[Row]], Sequence[Any] | None] = lambda rows: None,
    ) -> None:
        self._corpus = corpus
        self._seed = seed
        self._task = task
        self._ahead = ahead

    def __call__(self, planned: PlannedUpdate) -> Batch:
        """The planned update's batch, on the CPU."""
        corpus = self._corpus
        encoded = [corpus.encoded[row] for row in planned.rows]
        ids, mask, special, types = pad(encoded, corpus.pad)
        index = torch.tensor(planned.rows)
        return Batch(
            uids=tuple(corpus.uids[row] for row in planned.rows),
            lengths=tuple(len(row.ids) for row in encoded),
            ids=ids,
            mask=mask,
            special=special,
            types=types,
            labels=corpus.labels[index],
            teacher_logits=None if corpus.teacher_logits is None else corpus.teacher_logits[index],
            update=planned.update,
            epoch=planned.epoch,
            phase=planned.phase,
            total=len(planned.rows),
            prepared=self._prepare(planned),
        )

    def _prepare(self, planned: PlannedUpdate) -> Sequence[Any] | None:
        if planned.phase == "own":
            return None
        return self._ahead([self._row(row, planned.epoch) for row in planned.rows])

    def _row(self, row: int, epoch: int) -> Row:
        uid = self._corpus.uids[row]

        def seed(purpose: str) -> int:
            return seed_of(self._seed, self._task, purpose, epoch, uid)

        return Row(uid=uid, texts=self._corpus.texts[row], epoch=epoch, seed=seed)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with its tensors on `device`."""
    if device.type == "cpu":
        return batch
    moved = {
        name: value.to(device, non_blocking=True)
        for name in ("ids", "mask", "special", "types", "labels", "teacher_logits")
        if (value := getattr(batch, name)) is not None
    }
    return replace(batch, **moved)


class Prefetch(Iterator[T]):
    """Runs an endless iterator in a background thread, a few items ahead; close it when done.

    An exception in the thread is raised from `next`, once; after it, or after the last item, the iteration is over.
    """

    def __init__(self, items: Iterator[T], depth: int = 4) -> None:
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._fill, args=(items,), daemon=True, name="matekd-bench-data"
        )
        self._thread.start()

    def _fill(self, items: Iterator[T]) -> None:
        try:
            for item in items:
                if not self._put((item, None)):
                    return
            self._put((None, StopIteration()))
        except BaseException as error:  # handed to the consumer, whatever it is
            self._put((None, error))

    def _put(self, entry: tuple[T | None, BaseException | None]) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def __next__(self) -> T:
        if self._stop.is_set():
            raise StopIteration
        item, error = self._queue.get()
        if error is not None:
            self.close()
            raise error
        assert item is not None
        return item

    def close(self) -> None:
        """Ends the background thread."""
        self._stop.set()
        self._thread.join()
