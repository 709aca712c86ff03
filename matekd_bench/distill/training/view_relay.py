"""A relay that shows an observer what a method yields, for previews and contract checks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any

from matekd_bench.methods.class_checks import as_joint, views_of_update
from matekd_bench.methods.context import Models
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.views import Batch, View

if TYPE_CHECKING:
    from matekd_bench.methods.perturbation import Views


class ViewRelay(Perturbation[Any]):
    """A method that passes on the views of another method and shows them to an observer.

    `show(batch, models, views)` gets the views of every yielded item before the trainer does. The other method's code
    runs inside the context manager `around()`; the trainer's code does not. Put it into a trainer for the updates
    that are observed, after the other method's warm-up.
    """

    def __init__(
        self,
        method: Perturbation[Any],
        show: Callable[[Batch, Models, tuple[View, ...]], None],
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        super().__init__(method.params, method.context)
        self.cycle = method.cycle
        self._method, self._show, self._around = method, show, around

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield what the other method yields, and send back to it what the trainer returns."""
        with closing(views_of_update(self._method, batch, models)) as items:
            with self._around():
                item = next(items, None)
            while item is not None:
                self._show(batch, models, as_joint(item, type(self._method).__name__).views)
                seen = yield item
                with self._around():
                    try:
                        item = items.send(seen)
                    except StopIteration:
                        item = None
