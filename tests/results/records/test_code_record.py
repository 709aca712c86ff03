"""Code in records: how it is named, and which differences are told."""

from __future__ import annotations

from typing import Any

from matekd_bench.results.records.code_record import CodeRecord, differing_code, foreign_code
from matekd_bench.results.records.run_record import Record, from_json, to_json

FOREIGN = CodeRecord(
    method="probed", distribution="probed-case", version="1.5", file="probed_case.py", digest="ab" * 32,
    libraries={"nlpaug": "1.1"}, built_in=False,
)  # fmt: skip
BUILT_IN = FOREIGN.model_copy(update={"method": "eda", "built_in": True})


def changed(part: CodeRecord, **changes: Any) -> tuple[CodeRecord, ...]:
    return (part.model_copy(update=changes),)


def test_code_is_named_by_digest_and_libraries() -> None:
    assert foreign_code((FOREIGN,)) == "source abababababab, nlpaug 1.1"
    assert foreign_code((BUILT_IN,)) == foreign_code(()) == ""
    assert foreign_code((BUILT_IN, FOREIGN)) == "probed: source abababababab, nlpaug 1.1"
    unknown = FOREIGN.model_copy(update={"digest": None})
    assert "probed-case 1.5" in foreign_code((unknown,))
    assert str(FOREIGN.model_copy(update={"distribution": None})).startswith("file probed_case.py, source ab")


def test_only_what_decides_numbers_differs() -> None:
    runs = [("probed", (FOREIGN,)), ("probed", changed(FOREIGN, version="1.6", file="other.py"))]
    assert list(differing_code(runs)) == []
    [line] = differing_code([*runs, ("probed", changed(FOREIGN, digest="cd" * 32))])
    for part in ("probed", "abababababab", "cdcdcdcdcdcd", "1.6; 1 run"):
        assert part in line
    [line] = differing_code([("probed", (FOREIGN,)), ("probed", changed(FOREIGN, libraries={"nlpaug": "2"}))])
    assert "nlpaug 2" in line
    wrapped = [
        ("worst[probed]", (BUILT_IN, FOREIGN)),
        ("worst[probed]", (BUILT_IN, *changed(FOREIGN, digest=None))),
    ]
    [line] = differing_code(wrapped)
    assert "probed in worst[probed]" in line


def test_built_in_methods_share_a_sentence() -> None:
    names = [f"m{number}" for number in range(7)]
    runs = [(name, changed(BUILT_IN, digest=digest)) for name in names for digest in ("ab", "cd")]
    [line] = differing_code(runs)
    assert "m0, m1, m2, m3, m4 and 2 more" in line
    assert "m5" not in line


def test_code_in_a_record(make_record: Any) -> None:
    record: Record = make_record("probed", code=[FOREIGN.model_dump(), BUILT_IN.model_dump()])
    assert from_json(to_json(record)) == record
    assert '"code"' not in to_json(make_record("probed"))  # a record of an earlier version keeps its text
