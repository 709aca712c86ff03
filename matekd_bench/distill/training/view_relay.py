"""Checks around the views of a method, and a relay that shows the views to an observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from matekd_bench.errors import PluginError
from matekd_bench.methods.class_checks import as_joint, views_of_update
from matekd_bench.methods.context import Models
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.views import Batch, View

if TYPE_CHECKING:
    from matekd_bench.distill.training.forward_passes import RunModels
    from matekd_bench.methods.perturbation import Views


def tensor_versions(batch: Batch) -> dict[str, int]:
    """Return how often each tensor of a batch was changed in place."""
    tensors = {name: getattr(batch, name) for name in ("ids", "mask", "types", "special", "labels")}
    return {name: tensor._version for name, tensor in tensors.items() if tensor is not None}


def check_around_views(
    method: str, device: torch.device, models: RunModels, batch: Batch, versions: Mapping[str, int]
) -> None:
    """Raise PluginError if a method has changed the batch, or yields inside a context manager.

    `versions` are those of the batch before the method had it: its clean view would be clean no more. A mode that the
    method has left open would affect the trainer.
    """
    leaks = {
        # Before no_grad, which inference mode implies: the message names the first that is open.
        "torch.inference_mode()": torch.is_inference_mode_enabled(),
        "torch.no_grad()": not torch.is_grad_enabled(),
        "autocast()": torch.is_autocast_enabled(device.type),
        "frozen_student()": models.frozen,
    }
    for manager, is_open in leaks.items():
        if is_open:
            torch.set_grad_enabled(True)  # the method may have switched it off for good
            raise PluginError(
                f"method '{method}' yields a view inside `with {manager}`: leave the block before the yield."
            )
    for name, version in tensor_versions(batch).items():
        if version != versions[name]:
            raise PluginError(
                f"method '{method}' changes batch.{name} in place: change a copy, batch.{name}.clone()."
            )


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
