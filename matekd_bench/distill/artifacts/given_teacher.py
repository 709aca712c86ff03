"""Load a teacher that the user gives already fine-tuned, and check that its labels fit the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matekd_bench.distill.artifacts.label_gate import best_order, confusion, order_p_value
from matekd_bench.distill.artifacts.teacher import Teacher
from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.errors import CheckpointError
from matekd_bench.seeds import seed_of
from matekd_bench.tasks.task import Examples, Task

GATE_MARGIN = 0.10  # accuracy that another label order must gain to stop the study
GATE_P = 0.001  # and the p value that it must stay below
WARNING_P = 0.05  # the p value below which the user is warned
LISTED = 6  # moved classes in a message


def load_given_teacher(checkpoint: Checkpoint, task: Task, device: torch.device) -> Teacher:
    """Load a checkpoint that is already a classifier; map its output columns to the task's classes by label name.

    Raises CheckpointError if the number of outputs or the label names do not fit the task.
    """
    order = label_order(checkpoint, task)
    source = ModelSource(checkpoint)
    # Seed 0 is not used: the checkpoint has its head.
    model = load_classifier(source, task.outputs, task.labels, 0).to(device).requires_grad_(False)
    if order is not None:
        model.register_forward_hook(lambda module, inputs, output: _reorder_logits(output, order))
    return Teacher(model, checkpoint, given=True, order=order)


def label_order(checkpoint: Checkpoint, task: Task) -> tuple[int, ...] | None:
    """Return the output column of each class of the task, None if the columns need no reordering.

    Raises CheckpointError if the number of outputs or the label names do not fit the task.
    """
    names = _names(checkpoint)
    outputs = len(names) or checkpoint.config.get("num_labels", 2)
    if outputs != task.outputs:
        raise CheckpointError(
            f"the given teacher '{checkpoint.id}' has {outputs} outputs, but task '{task.name}' has {task.outputs}.",
            hint=f"To have it fine-tuned on {task.name}, set fine_tune = true under [teacher] in a config file.",
        )
    return _order_by_name(names, task, checkpoint)


def _reorder_logits(output: Any, order: tuple[int, ...]) -> Any:
    """Put the logits of a model's output into the task's class order."""
    output.logits = output.logits[:, list(order)]
    return output


def names_classes(checkpoint: Checkpoint) -> bool:
    """Return True if a checkpoint's config gives its outputs names, not only numbers."""
    return not all(_is_placeholder(index, name) for index, name in _names(checkpoint).items())


def _names(checkpoint: Checkpoint) -> dict[int, str]:
    """Return the names of a checkpoint's outputs, empty if its config has none.

    Raises CheckpointError if the config gives them in another form.
    """
    try:
        return {int(index): str(name) for index, name in (checkpoint.config.get("id2label") or {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise CheckpointError(
            f"config.json of '{checkpoint.id}': id2label should map numbers to label names.",
            hint="Correct id2label.",
        ) from None


def _order_by_name(names: Mapping[int, str], task: Task, checkpoint: Checkpoint) -> tuple[int, ...] | None:
    """Return the output column of each class, found by label name.

    Returns None if the columns need no reordering or the names are only placeholders. Raises CheckpointError if the
    names are not those of the task.
    """
    if not task.labels or not names_classes(checkpoint):
        return None
    columns = {_normalize(name): index for index, name in names.items()}
    labels = [_normalize(label) for label in task.labels]
    if set(labels) != set(columns):
        raise CheckpointError(
            f"the labels of the given teacher '{checkpoint.id}' ({', '.join(names.values())}) are not those of task "
            f"'{task.name}' ({', '.join(task.labels)})."
        )
    order = tuple(columns[label] for label in labels)
    return None if order == tuple(range(len(order))) else order


def _is_placeholder(index: int, name: str) -> bool:
    """Return True for names such as "0" and "LABEL_0", which do not name a class."""
    return name == str(index) or name.upper().startswith("LABEL_")


def _normalize(label: str) -> str:
    """Return a label without differences of case, hyphen, space and underscore."""
    return label.lower().replace("-", "_").replace(" ", "_")


def check_labels(
    task: Task, teacher: Teacher, logits: Sequence[Tensor], dev: Sequence[Examples], *, named: bool = False
) -> str | None:
    """Check that no other order of a given teacher's classes fits the dev examples much better (label gate).

    `logits` holds the teacher's logits [n, C] on each dev split. `named` is True if the checkpoint names its classes as
    the task does. Raises CheckpointError if another order gains at least 10 points of accuracy with p < .001
    (:func:`order_p_value`) and the classes are not named. Returns a warning if another order is better with p < .05,
    else None. Regression is not checked, nor are tasks that opt out (WNLI, whose teachers are at chance).
    """
    if not task.labels or not task.label_gate:
        return None
    predicted = torch.cat([split.argmax(-1) for split in logits]).numpy()
    gold = np.array([label for examples in dev for label in examples.gold], dtype=np.int64)
    order = best_order(confusion(predicted, gold, task.outputs))
    gain = float(np.mean(order[predicted] == gold) - np.mean(predicted == gold))
    if gain <= 0:
        return None
    p = order_p_value(predicted, gold, task.outputs, seed_of(0, task.name, "label-gate"))
    if p >= WARNING_P:
        return None
    message = (
        f"the given teacher '{teacher.source.id}' fits task '{task.name}' better by {100 * gain:.1f} points "
        f"when its outputs are read as: {_moves(order.tolist(), task.labels)}"
    )
    if named:
        return (
            f"{message}. Its config.json names the classes in their present order, so they are not reordered"
        )
    if gain >= GATE_MARGIN and p < GATE_P:
        raise CheckpointError(
            f"{message}.", hint="Its labels are in a different order: set id2label in its config.json."
        )
    return message


def _moves(order: Sequence[int], labels: Sequence[str]) -> str:
    """List the classes that are read as another one, the first few of them."""
    moves = [f"{labels[i]} as {labels[j]}" for i, j in enumerate(order) if i != j]
    others = len(moves) - LISTED
    return ", ".join(moves[:LISTED]) + (f" and {others} more" if others > 0 else "")
