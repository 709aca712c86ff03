"""The GLUE folder: every trap of the files, and one clear line for all that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from matekd_bench.errors import DataError
from matekd_bench.tasks.sources import GlueFolder, MissingSplitError
from matekd_bench.tasks.task import Rows
from matekd_tasks import matekd_bench_tasks

TASKS = {task.name: task for task in matekd_bench_tasks()}


def read(root: Path, name: str, split: str, content: str) -> Rows:
    task = TASKS[name]
    folder = root / str(task.folder)
    folder.mkdir(exist_ok=True)
    (folder / task.splits[split].file).write_bytes(content.encode())
    return GlueFolder(root).read(task, split)


def test_cola_train_has_no_header_and_its_test_file_has_one(tmp_path: Path) -> None:
    train = read(tmp_path, "cola", "train", "gj04\t1\t\tIt runs.\ngj04\t0\t*\tRuns it the.\n")
    assert train == Rows([("It runs.",), ("Runs it the.",)], [1, 0])
    assert read(tmp_path, "cola", "test", "index\tsentence\n0\tBill.\n") == Rows([("Bill.",)], None)


def test_columns_are_found_by_name_not_by_place(tmp_path: Path) -> None:
    rows = read(tmp_path, "rte", "dev", "label\tsentence2\tx\tsentence1\nnot_entailment\tB\t-\tA\n")
    assert rows == Rows([("A", "B")], [1])


def test_mnli_train_and_dev_have_other_columns(tmp_path: Path) -> None:
    wide = "index\tpromptID\tsentence1\tsentence2\tlabel1\tgold_label\n0\t1\tP\tH\tneutral\tcontradiction\n"
    assert read(tmp_path, "mnli", "dev-matched", wide) == Rows([("P", "H")], [2])


def test_labels_are_mapped_by_string(tmp_path: Path) -> None:
    head = "index\tsentence1\tsentence2\tlabel\n"
    assert read(tmp_path, "rte", "dev", head + "0\tA\tB\tentailment\n").labels == [0]
    assert read(tmp_path, "wnli", "dev", head + "0\tA\tB\t1\n").labels == [1]
    assert TASKS["wnli"].labels[1] == TASKS["rte"].labels[0] == "entailment"


def test_mrpc_headers_with_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    content = '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\t" A\tB "\r\n'
    assert read(tmp_path, "mrpc", "train", content) == Rows([('" A', 'B "')], [1])


def test_stsb_reads_scores(tmp_path: Path) -> None:
    assert read(tmp_path, "stsb", "dev", "sentence1\tsentence2\tscore\nA\tB\t3.800\n").labels == [3.8]


def test_ax_labels_are_in_the_full_file(tmp_path: Path) -> None:
    content = "Logic\tPremise\tHypothesis\tLabel\r\n\tA\tB\tcontradiction\r\n"
    assert read(tmp_path, "ax", "diagnostic", content) == Rows([("A", "B")], [2])
    assert read(tmp_path, "ax", "test", "index\tsentence1\tsentence2\n0\tA\tB\n").labels is None


QQP = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"


def test_qqp_rows_that_are_broken_are_skipped_and_counted(tmp_path: Path) -> None:
    broken = "4\t1\t2\tcut in\n two?\tB?\t1\n5\t1\t2\ta\ttab\tB?\t1\n6\t1\t2\tA?\tB?\t\n"
    rows = read(tmp_path, "qqp", "train", f"{QQP}3\t1\t2\tA?\tB?\t1\n{broken}7\t1\t2\t\tB?\t0\n")
    assert rows == Rows([("A?", "B?"), ("", "B?")], [1, 0], skipped=4)


def test_in_other_tasks_a_short_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dev.tsv', line 3: 3 .*4 "):
        read(tmp_path, "rte", "dev", "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tentailment\n1\tA\tB\n")


def test_an_unknown_label_names_file_line_and_what_is_allowed(tmp_path: Path) -> None:
    head = "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tentailment\n"
    with pytest.raises(DataError, match=r"dev.tsv', line 3: .*'neutral': .*not_entailment"):
        read(tmp_path, "rte", "dev", head + "1\tA\tB\tneutral\n")


@pytest.mark.parametrize("score", ["high", "", "nan", "inf", "5.2", "-0.1"])
def test_a_score_that_is_none_names_file_and_line(tmp_path: Path, score: str) -> None:
    with pytest.raises(DataError, match=r"dev.tsv', line 2: .*from 0 to 5"):
        read(tmp_path, "stsb", "dev", f"sentence1\tsentence2\tscore\nA\tB\t{score}\n")


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "rte", "dev", "index\tsentence1\tsentnce2\tlabel\n0\tA\tB\tentailment\n")
    for part in ("'sentence2' (rte)", "'sentnce2'?", "index, label, sentence1, sentnce2"):
        assert part in str(caught.value)


def test_labels_missing_where_they_should_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'label'"):
        read(tmp_path, "rte", "dev", "index\tsentence1\tsentence2\n0\tA\tB\n")


def test_a_missing_file_names_what_is_there(tmp_path: Path) -> None:
    read(tmp_path, "mnli", "dev-matched", "sentence1\tsentence2\tgold_label\nA\tB\tneutral\n")
    with pytest.raises(MissingSplitError, match=r"'dev_matched\.tsv'\?"):
        GlueFolder(tmp_path).read(TASKS["mnli"], "dev-mismatched")


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent'.*--glue-dir"):
        GlueFolder(tmp_path / "absent").read(TASKS["rte"], "dev")
    (tmp_path / "rte").mkdir()
    with pytest.raises(DataError, match=r"'RTE' \(rte\) in .*: .*\brte\."):
        GlueFolder(tmp_path).read(TASKS["rte"], "dev")


def test_a_folder_one_level_off_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "glue" / "RTE").mkdir(parents=True)
    for wrong in (tmp_path, tmp_path / "glue" / "RTE"):
        with pytest.raises(DataError) as caught:
            GlueFolder(wrong).read(TASKS["rte"], "dev")
        assert f"--glue-dir '{tmp_path / 'glue'}'" in str(caught.value)
