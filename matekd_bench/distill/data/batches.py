"""Make batches of tensors: pad rows, assemble batches in the background, move them to the device."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from matekd_bench.distill.data.corpus import Corpus
from matekd_bench.distill.data.order import PlannedUpdate
from matekd_bench.distill.device import send
from matekd_bench.methods.perturbation import wrong_result
from matekd_bench.methods.rows import Encoded, Row
from matekd_bench.methods.views import Batch
from matekd_bench.seeds import seed_of
from matekd_bench.spelling import kind_in_words

T = TypeVar("T")


def pad(rows: Sequence[Encoded], pad_id: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Pad rows to the longest one; return ids, attention mask, special flags and token types, each [B, L].

    The tensors are on the CPU. Token types are None if the rows have none. Padding counts as special, so that no method
    perturbs it.
    """
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
    """A callable that makes the batch of a planned update from the rows of a corpus, on the CPU.

    `ahead` is the method's hook, which prepares something for the rows, such as perturbed text. `seed` and `task` enter
    the seeds that it gets.
    """

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
        """Make the batch of a planned update, on the CPU."""
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
        """Call the method's `ahead` hook; auxiliary updates have nothing prepared."""
        if planned.phase == "own":
            return None
        corpus = self._corpus
        prepared = self._ahead(
            [
                text_row(self._seed, self._task, corpus.uids[row], corpus.texts[row], planned.epoch)
                for row in planned.rows
            ]
        )
        if prepared is None or (isinstance(prepared, Sized) and len(prepared) == len(planned.rows)):
            return prepared
        kind = f"{len(prepared)} entries" if isinstance(prepared, Sized) else kind_in_words(prepared)
        raise wrong_result(self._ahead, kind, f"return one entry for each of the {len(planned.rows)} rows")


def text_row(study_seed: int, task: str, uid: str, texts: tuple[str, ...], epoch: int) -> Row:
    """Describe a row for a method's `ahead` hook; its seeds are keyed by epoch and example id, not by update."""

    def seed(purpose: str) -> int:
        return seed_of(study_seed, task, purpose, epoch, uid)

    return Row(uid=uid, texts=texts, epoch=epoch, seed=seed)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch with its tensors on `device`."""
    if device.type == "cpu":
        return batch
    tensors: dict[str, Any] = {
        name: send(value, device)
        for name in ("ids", "mask", "special", "types", "labels", "teacher_logits")
        if (value := getattr(batch, name)) is not None
    }
    return replace(batch, **tensors)


class Prefetch(Iterator[T]):
    """An iterator that a background thread fills, about `depth` items ahead; call `close` when done.

    An exception in the thread is raised once, from `next`. After it, or after the last item, the iteration ends.
    """

    def __init__(self, items: Iterator[T], depth: int = 4) -> None:
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._fill, args=(items,), daemon=True, name="matekd-bench-data"
        )
        self._thread.start()

    def _fill(self, items: Iterator[T]) -> None:
        """Put items and the final exception into the queue; runs in the thread."""
        try:
            for item in items:
                if not self._put((item, None)):
                    return
            self._put((None, StopIteration()))
        except BaseException as error:  # the consumer raises it, whatever it is
            self._put((None, error))

    def _put(self, entry: tuple[T | None, BaseException | None]) -> bool:
        """Put an entry into the queue once it has room; return False if the iterator was closed before."""
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=0.2)  # seconds to the next check for a closed iterator
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
        """End the background thread."""
        self._stop.set()
        self._thread.join()
