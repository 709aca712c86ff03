"""Load a teacher that the user gives already fine-tuned, and check that its labels fit the task."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from matekd_bench.distill.artifacts.teacher import Teacher
from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.distill.models.networks import ModelSource, load_classifier
from matekd_bench.errors import CheckpointError
from matekd_bench.tasks.task import Examples, Task

GATE_MARGIN = 0.10  # accuracy that another label order must gain to stop the study
GATE_P = 0.001  # and the p value that it must stay below


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
    config = checkpoint.config
    try:
        names = {int(index): str(name) for index, name in (config.get("id2label") or {}).items()}
        outputs = len(names) or int(config.get("num_labels", 2))
    except (AttributeError, TypeError, ValueError):
        raise CheckpointError(
            f"config.json of '{checkpoint.id}': id2label should map numbers to label names.",
            hint="Correct it.",
        ) from None
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


def _order_by_name(names: Mapping[int, str], task: Task, checkpoint: Checkpoint) -> tuple[int, ...] | None:
    """Return the output column of each class, found by label name.

    Returns None if the columns need no reordering or the names are only placeholders. Raises CheckpointError if the
    names are not those of the task.
    """
    if not task.labels or all(_is_placeholder(index, name) for index, name in names.items()):
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
    task: Task, teacher: Teacher, logits: Sequence[Tensor], dev: Sequence[Examples]
) -> str | None:
    """Check that no other label order fits the dev examples much better than a given teacher's own (label gate).

    `logits` holds the teacher's logits on each dev split. Raises CheckpointError if another permutation of the outputs
    gains at least 10 points of accuracy and the exact McNemar test gives p < .001. Returns a warning if it is only
    better, else None. Regression is not checked, nor are tasks that opt out (WNLI, whose teachers are at chance).
    """
    if not task.labels or not task.label_gate:
        return None
    predicted = torch.cat([split.argmax(-1) for split in logits])
    gold = torch.tensor([label for examples in dev for label in examples.gold])
    correct = predicted == gold
    best_order, best_correct = max(
        (
            (order, torch.tensor(order)[predicted] == gold)
            for order in itertools.permutations(range(task.outputs))
        ),
        key=lambda pair: int(pair[1].sum()),
    )
    gain = float(best_correct.float().mean() - correct.float().mean())
    if gain <= 0:
        return None
    swaps = ", ".join(f"{task.labels[i]} as {task.labels[j]}" for i, j in enumerate(best_order) if i != j)
    message = (
        f"the given teacher '{teacher.checkpoint.id}' fits task '{task.name}' better by {100 * gain:.1f} points "
        f"when its outputs are read as: {swaps}"
    )
    if gain >= GATE_MARGIN and _mcnemar(correct, best_correct) < GATE_P:
        raise CheckpointError(
            f"{message}.", hint="Its labels are in another order: set id2label in its config.json."
        )
    return message


def _mcnemar(first: Tensor, second: Tensor) -> float:
    """Return the two-sided exact McNemar p value for two paired vectors of correct (True) and wrong answers."""
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)
