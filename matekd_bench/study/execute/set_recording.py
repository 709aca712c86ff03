"""Builds the parts of a record that describe splits and scores, those of further sets among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matekd_bench.distill.evaluation_sets import SetAnswers
from matekd_bench.results.records.score_item import ScoreItem, Selection, SplitInfo
from matekd_bench.results.records.set_scores import SetScores
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.plan.identity import named_resources
from matekd_bench.tasks.metrics import SplitScore, majority_score, task_score
from matekd_bench.tasks.task import Examples, Task, TaskData


def score_items(splits: Iterable[SplitScore], selection: Selection) -> list[ScoreItem]:
    """Return the metrics of scored splits as a record has them."""
    return [
        ScoreItem(split=split.split, selection=selection, metric=name, value=value, n=split.n)
        for split in splits
        for name, value in split.metrics.items()
    ]


def split_infos(data: TaskData, splits: Sequence[Examples]) -> dict[str, SplitInfo]:
    """Describe splits of a task's data, by name."""
    return {
        examples.split: SplitInfo(
            n=len(examples), official_n=examples.official_rows, unlabeled=examples.unlabeled,
            digest=data.digests[examples.split],
        )
        for examples in splits
    }  # fmt: skip


def set_scores(answers: SetAnswers, task: Task) -> SetScores:
    """Return what is recorded of a student's answers to a further set; `task` is the student's.

    A student without usable answers gets the score of the set's most frequent class, as a diverged run does on dev.
    """
    data, asked = answers.data, answers.set
    majority = _majority_score(data)
    scores = score_items(answers.scores, "last") if answers.logits else majority_items(data, majority)
    meant = {task.labels[index]: data.task.labels[class_id] for index, class_id in enumerate(asked.classes)}
    return SetScores(
        name=asked.name, source=data.source, revision=data.revision, state=data.state,
        state_text=asked.data.state_text,  # of the rows before a perturbation
        splits=split_infos(data, data.dev), labels=data.task.labels,
        label_map={label: other for label, other in meant.items() if label != other},
        resources=named_resources(asked.perturbation) if asked.perturbation else {}, notices=data.notices,
        majority_score=majority, scores=tuple(scores),
        score=task_score(answers.scores) if answers.logits else majority,
        teacher_scores=tuple(score_items(answers.teacher, "last")),
        teacher_score=task_score(answers.teacher) if answers.teacher else None,
    )  # fmt: skip


def _majority_score(data: TaskData) -> float:
    """Return the score of the set's own most frequent class: it has no training rows."""
    golds = [split.gold for split in data.dev]
    return majority_score(data.task, [label for gold in golds for label in gold], *golds)


def majority_items(data: TaskData, majority: float) -> list[ScoreItem]:
    """Return the score of the most frequent class as the record of a student without usable answers has it."""
    return [
        ScoreItem(split=split.split, selection="last", metric="majority", value=majority, n=len(split))
        for split in data.dev
    ]


def write_sets(also: Sequence[SetAnswers], store: ResultsStore) -> None:
    """Store the labels of the sets that a student was scored on."""
    for answers in also:
        for examples in answers.data.dev:
            store.write_data(
                answers.data.digests[examples.split], task=answers.data.task.name, split=examples.split,
                uids=examples.uids, labels=examples.gold,
            )  # fmt: skip
