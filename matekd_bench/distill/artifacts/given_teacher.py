"""A teacher that the user gives fine-tuned: its label order, and the check that it fits the task."""

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

# raised when teachers or logits made by older code may differ
GATE_MARGIN, GATE_P = 0.10, 0.001


def given(checkpoint: Checkpoint, task: Task, device: torch.device) -> Teacher:
    """A checkpoint that is already a classifier, its output columns mapped to the task by label string.

    Raises CheckpointError where the number of outputs or the label names do not fit the task.
    """
    config = checkpoint.config
    names = {int(index): str(name) for index, name in (config.get("id2label") or {}).items()}
    outputs = len(names) or int(config.get("num_labels", 2))
    if outputs != task.outputs:
        raise CheckpointError(
            f"the given teacher '{checkpoint.id}' has {outputs} outputs, but task '{task.name}' has {task.outputs}."
        )
    order = _order_by_name(names, task, checkpoint)
    source = ModelSource(checkpoint)
    model = load_classifier(source, task.outputs, task.labels, 0).to(device).requires_grad_(False)
    if order is not None:
        model.register_forward_hook(lambda module, inputs, output: _reordered(output, order))
    return Teacher(model, checkpoint, given=True, order=order)


def _reordered(output: Any, order: tuple[int, ...]) -> Any:
    output.logits = output.logits[:, list(order)]
    return output


def _order_by_name(names: Mapping[int, str], task: Task, checkpoint: Checkpoint) -> tuple[int, ...] | None:
    """Which output column belongs to each class, by label string; None where the names say nothing."""
    if not task.labels or all(_says_nothing(index, name) for index, name in names.items()):
        return None
    columns = {_plain(name): index for index, name in names.items()}
    wanted = [_plain(label) for label in task.labels]
    if set(wanted) != set(columns):
        raise CheckpointError(
            f"the labels of the given teacher '{checkpoint.id}' ({', '.join(names.values())}) are not those of task "
            f"'{task.name}' ({', '.join(task.labels)})."
        )
    order = tuple(columns[label] for label in wanted)
    return None if order == tuple(range(len(order))) else order


def _says_nothing(index: int, name: str) -> bool:
    return name == str(index) or name.upper().startswith("LABEL_")


def _plain(label: str) -> str:
    return label.lower().replace("-", "_").replace(" ", "_")


def check_labels(
    task: Task, teacher: Teacher, logits: Sequence[Tensor], dev: Sequence[Examples]
) -> str | None:
    """The label gate for a given teacher: stops if another label order fits dev significantly better.

    Raises CheckpointError if another permutation of the outputs is right on 10 points more of the dev examples and the
    exact McNemar test gives p < .001; returns a warning where it is only better. Not applied to
    regression, nor to tasks that opt out (WNLI, whose teachers are at chance).
    """
    if not task.labels or not task.label_gate:
        return None
    predicted = torch.cat([part.argmax(-1) for part in logits])
    gold = torch.tensor([label for examples in dev for label in examples.labels or ()])
    right = predicted == gold
    best, best_right = max(
        (
            (order, torch.tensor(order)[predicted] == gold)
            for order in itertools.permutations(range(task.outputs))
        ),
        key=lambda pair: int(pair[1].sum()),
    )
    gain = float(best_right.float().mean() - right.float().mean())
    if gain <= 0:
        return None
    named = ", ".join(f"{task.labels[i]} as {task.labels[j]}" for i, j in enumerate(best) if i != j)
    text = (
        f"the given teacher '{teacher.checkpoint.id}' fits task '{task.name}' better by {100 * gain:.1f} points "
        f"when its outputs are read as: {named}"
    )
    if gain >= GATE_MARGIN and _mcnemar(right, best_right) < GATE_P:
        raise CheckpointError(
            f"{text}.", hint="Its labels are in another order: set id2label in its config.json."
        )
    return text


def _mcnemar(first: Tensor, second: Tensor) -> float:
    """Two-sided exact McNemar p of two paired vectors of right and wrong."""
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)
