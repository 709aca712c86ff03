"""Files of teacher answers: every form is read by the names of classes, and every fault is named with its line."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.answer_lines import SMALLEST, softmax
from matekd_bench.tasks.teacher_answers import TaskAnswers, read_teacher_answers
from rig import toy_data

SINGLE, PAIRS, SCORES = (toy_data(kind, train=2, dev=2) for kind in ("single", "pairs", "regression"))


def answers(folder, data, *lines, name="a.jsonl") -> TaskAnswers:
    """The answers of a file with these lines, as JSON unless they are text."""
    file = folder / name
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return read_teacher_answers(file).of(data)


def by_id(data, *cells):
    """A line for each training row, with these cells."""
    return [{"id": uid, **line} for uid, line in zip(data.train.uids, cells, strict=True)]


def probabilities(task_answers):
    return [[round(p, 6) for p in softmax(logits)] for logits in task_answers.train]


def test_logits_and_probabilities_are_ordered_by_the_names_of_the_classes(tmp_path):
    named = by_id(SINGLE, {"logits": {"good": 2.5, "bad": -1}}, {"probabilities": {"good": 0.7, "bad": 0.3}})
    first, second = answers(tmp_path, SINGLE, *named).train
    assert first == (-1, 2.5)
    assert softmax(second) == pytest.approx((0.3, 0.7))


def test_a_list_has_the_order_of_the_header_above_it(tmp_path):
    first, second = by_id(SINGLE, {"logits": [1, 2]}, {"logits": [1, 2]})
    headers = [{"header": {"labels": labels}} for labels in (["good", "bad"], ["bad", "good"])]
    made = answers(tmp_path, SINGLE, headers[0], first, headers[1], second)
    assert made.train == [(2, 1), (1, 2)]


def test_a_label_is_smoothed_as_stated_by_its_line_or_the_header(tmp_path):
    lines = by_id(SINGLE, {"answer": "good"}, {"answer": "bad", "smoothing": 0})
    made = answers(tmp_path, SINGLE, {"header": {"smoothing": 0.2}}, *lines)
    assert probabilities(made)[0] == [0.1, 0.9]
    assert made.train[1] == (0, math.log(SMALLEST))


def test_probabilities_may_be_rounded_and_are_corrected(tmp_path):
    lines = by_id(SINGLE, *[{"probabilities": {"bad": 0.333, "good": 0.66}}] * 2)
    assert softmax(answers(tmp_path, SINGLE, *lines).train[0]) == pytest.approx((0.333 / 0.993, 0.66 / 0.993))


def test_several_answers_to_a_row_are_averaged(tmp_path):
    lines = by_id(SINGLE, {"answer": "good"}, {"answer": "bad"})
    made = answers(tmp_path, SINGLE, {"header": {"smoothing": 0}}, *lines, {**lines[0], "answer": "bad"})
    assert probabilities(made) == [[0.5, 0.5], [1, 0]]
    scores = answers(
        tmp_path, SCORES, *by_id(SCORES, {"answer": 1}, {"answer": 2.5}), *by_id(SCORES, {}, {"answer": 3.5})
    )
    assert scores.train == [(1,), (3,)]


def test_a_row_is_found_by_its_texts_and_first_by_its_id(tmp_path):
    fields, rows = PAIRS.task.fields, (*PAIRS.train.texts, *PAIRS.dev[0].texts)
    lines = [
        {**dict(zip(fields, texts, strict=True)), "logits": {"bad": 0, "good": at}}
        for at, texts in enumerate(rows)
    ]
    own = {"id": PAIRS.train.uids[1], **lines[1], "logits": {"bad": 0, "good": 9}}
    made = answers(tmp_path, PAIRS, *lines, own, {"id": "of another task", "answer": "?"})
    assert made.train == [(0, 0), (0, 9)]
    assert made.dev == [[(0, 2), (0, 3)]]
    assert "2 of its 6 lines are for other texts" in made.summary
    assert made.to_texts(rows[1]) == (0, 1)


def test_ids_of_the_users_own_are_no_ids_of_rows(tmp_path):
    lines = [
        {"id": at, "text": text, "logits": {"bad": 0, "good": at}}
        for at, (text,) in enumerate(SINGLE.train.texts)
    ]
    assert answers(tmp_path, SINGLE, *lines).train == [(0, 0), (0, 1)]
    assert answers(tmp_path, SINGLE, *({**line, "id": f"row {line['id']}"} for line in lines)).train == [
        (0, 0),
        (0, 1),
    ]


def test_the_answers_to_texts_include_those_of_the_training_rows(tmp_path):
    made = answers(
        tmp_path,
        SINGLE,
        *by_id(SINGLE, *[{"logits": {"bad": 0, "good": 1}}] * 2),
        {"text": "new", "logits": {"bad": 2, "good": 1}},
    )
    assert made.to_texts(("new",)) == (2, 1)
    assert made.to_texts(SINGLE.train.texts[0]) == (0, 1)
    assert made.to_texts(("newer",)) is None
    assert made.check_texts([("new",), ("new",), SINGLE.train.texts[0]]) == 2
    with pytest.raises(DataError, match=r"1 of the 2 .*newer"):
        made.check_texts([("new",), ("newer",)])


def test_tables_have_a_column_for_each_class(tmp_path):
    uids = SINGLE.train.uids
    rows = (
        "id,probabilities.good,probabilities.bad,answer,smoothing,model",
        f"{uids[0]},0.8,0.2,,,m",
        f"{uids[1]},,,bad,0.5,m",
    )
    made = answers(tmp_path, SINGLE, *rows, name="a.csv")
    assert probabilities(made) == [[0.2, 0.8], [0.75, 0.25]]


def test_a_text_of_the_task_is_no_answer(tmp_path):
    data = replace(SINGLE, task=replace(SINGLE.task, fields=("answer",)))
    lines = [{"answer": text, "logits": {"bad": 0, "good": 1}} for (text,) in data.train.texts]
    assert answers(tmp_path, data, *lines).train == [(0, 1), (0, 1)]


def test_the_summary_says_what_is_there(tmp_path):
    labels = [SINGLE.task.labels[label] for label in SINGLE.train.labels]
    wrong = [{"good": "bad", "bad": "good"}[labels[0]], labels[1]]
    lines = by_id(SINGLE, *({"answer": label, "smoothing": 0} for label in wrong))
    dev = [{"id": uid, "answer": "bad", "smoothing": 0} for uid in SINGLE.dev[0].uids]
    for number, there in ((0, False), (1, False), (2, True)):
        made = answers(tmp_path, SINGLE, *lines, *dev[:number])
        assert f"{number} of 2 dev rows" in made.summary
        assert ("no score of the teacher" in made.summary, bool(made.dev)) == (not there, there)
        assert "(50.0 % as labeled)" in made.summary


def test_a_mistyped_id_of_a_dev_row_is_named_in_the_summary(tmp_path):
    lines = by_id(SINGLE, *[{"logits": {"bad": 0, "good": 1}}] * 2)
    dev = [{"id": uid, "logits": {"bad": 0, "good": 1}} for uid in SINGLE.dev[0].uids]
    for uid, named in (("mistyped", True), (dev[1]["id"], False)):
        made = answers(tmp_path, SINGLE, *lines, dev[0], {**dev[1], "id": uid})
        assert ("no row of this task: 'mistyped'" in made.summary) is named


def test_costs_add_up_and_another_content_is_another_digest(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"header": {"cost": {"USD": 1, "tokens": 4}}}\n{"header": {"cost": {"USD": 2}}}\n')
    first = read_teacher_answers(file)
    assert first.cost == {"USD": 3, "tokens": 4}
    file.write_text('{"header": {"cost": {"USD": 1}}}\n')
    assert read_teacher_answers(file).id != first.id
    assert read_teacher_answers(file).id.startswith("a.jsonl (sha256 ")


FINE = {"logits": {"bad": 0, "good": 1}}
FAULTS = {
    "two-answers": ({**FINE, "answer": "bad"}, ("'logits'", "'answer'")),
    "list-without-order": ({"logits": [1, 2]}, ("'logits'", "list")),
    "unknown-class": ({"logits": {"bad": 1, "godo": 2}}, ("'godo'", "good")),
    "missing-class": ({"logits": {"bad": 1}}, ("'good'",)),
    "one-number": ({"probabilities": 0.4}, ("'probabilities'", "0.4")),
    "text-for-number": ({"logits": {"bad": "much", "good": 2}}, ("'logits'", "much")),
    "truth-value": ({"logits": {"bad": True, "good": 2}}, ("'logits'", "true")),
    "infinite": ('{"id": "ID", "logits": {"bad": Infinity, "good": 2}}', ("'logits'", "Infinity")),
    "sum": ({"probabilities": {"bad": 0.4, "good": 0.5}}, ("0.9",)),
    "negative": ({"probabilities": {"bad": -0.1, "good": 1.1}}, ("-0.1",)),
    "percent": ({"probabilities": {"bad": 40, "good": 60}}, ("100",)),
    "label": ({"answer": "godo", "smoothing": 0}, ("'godo'", "good")),
    "label-is-a-list": ({"answer": ["good"], "smoothing": 0}, ("good",)),
    "no-smoothing": ({"answer": "good"}, ("'smoothing'",)),
    "smoothing": ({"answer": "good", "smoothing": 1}, ("'smoothing'", "1")),
    "other-texts": ({**FINE, "text": "another"}, ("different texts",)),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_answer_is_named_with_its_line(fault, tmp_path):
    faulty, named = FAULTS[fault]
    first, second = SINGLE.train.uids
    line = faulty.replace("ID", second) if isinstance(faulty, str) else {"id": second, **faulty}
    with pytest.raises(DataError) as caught:
        _ = answers(tmp_path, SINGLE, {"id": first, **FINE}, line).train
    assert [part for part in ("a.jsonl", "line 2", *named) if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    "cells", [{"logits": [1]}, {"probabilities": {"a": 1}}, {"answer": "high"}, {"answer": True}]
)
def test_a_regression_is_answered_by_scores(cells, tmp_path):
    assert answers(tmp_path, SCORES, *by_id(SCORES, {"answer": "1.5"}, {"answer": 7})).train == [(1.5,), (7,)]
    with pytest.raises(DataError, match="line 1"):
        _ = answers(tmp_path, SCORES, *by_id(SCORES, cells, {"answer": 1})).train


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([{"header": {"smoothing": 1}}, FINE], ("line 1", "smoothing")),
        ([{"header": {"label": ["a"]}}, FINE], ("line 1", "label")),
        ([{"header": {"labels": ["good", "bad"]}}, *by_id(SINGLE, {"logits": [1, 2, 3]}, {})], ("line 2", "3", "2")),
        ([{"header": {"labels": ["good", "good"]}}, *by_id(SINGLE, {"logits": [1, 2]}, {})], ("line 2", "'good'")),
        ([{"id": 5, **FINE}], ("none of the 2", "'id'", "no row of this task: '5'")),
        ([{"ids": "x", **FINE}], ("none of the 2", "did you mean 'ids'?", "logits")),
        (by_id(SINGLE, {"answr": "good"}, {}), ("none of the 2", "did you mean 'answr'?", "id")),
        ([{"id": f"{at}x", **FINE} for at in range(5)] + by_id(SINGLE, FINE, {}), ("'0x', '1x', '2x' and 2 more",)),
        ([{"sentence": "x", **FINE}], ("none of the 2", "'text'", "toy-single")),
        (by_id(SINGLE, FINE, {"answer": " "}), ("1 of the 2", SINGLE.train.uids[1])),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(lines, named, tmp_path):
    with pytest.raises(DataError) as caught:
        _ = answers(tmp_path, SINGLE, *lines).train
    assert [part for part in ("a.jsonl", *named) if part not in str(caught.value)] == []


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jsonl.*--teacher-answers"):
        read_teacher_answers(Path(tmp_path / "gone.jsonl"))


def test_the_label_column_of_the_data_is_no_answer(tmp_path):
    """A copy of one's own data may have gold labels under `answer`."""
    own = replace(SINGLE, task=replace(SINGLE.task, own=True, columns={"label": "answer"}))
    lines = by_id(own, *[{"answer": "good", "probabilities": {"bad": 0.9, "good": 0.1}}] * 2)
    assert probabilities(answers(tmp_path, own, *lines)) == [[0.9, 0.1]] * 2


def test_empty_objects_and_lists_are_no_answers(tmp_path):
    lines = by_id(SINGLE, *[{"probabilities": {}, "logits": [], "answer": "good", "smoothing": 0}] * 2)
    assert probabilities(answers(tmp_path, SINGLE, *lines)) == [[0, 1]] * 2


def test_a_text_called_header_is_no_header(tmp_path):
    task = replace(SINGLE.task, fields=("header",))
    lines = [{"header": texts[0], "logits": {"bad": 1, "good": 2}} for texts in SINGLE.train.texts]
    assert answers(tmp_path, replace(SINGLE, task=task), *lines).train == [(1, 2)] * 2
    with pytest.raises(DataError, match="'header'"):
        answers(tmp_path, SINGLE, {"header": "a note"})
