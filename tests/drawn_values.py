"""Strategies of hypothesis for what processes send to each other, and a comparison of what arrives."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import settings
from hypothesis import strategies as st

from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Status, TrialRecord, Tuning
from matekd_bench.study.execute.backends.ray_node import Files
from matekd_bench.study.execute.study_session import SharedStudy
from matekd_bench.study.spec.request import StudyRequest, make_request
from matekd_bench.study.spec.study_spec import Resources

EXACT = settings(max_examples=40, deadline=None, derandomize=True)
ON_DISK = settings(EXACT, max_examples=15)

BYTES = st.binary(max_size=12)
# Arguments and paths may hold any bytes; Python keeps those that are not UTF-8 as surrogates.
NAMES = BYTES.map(lambda raw: raw.replace(b"\0", b"").decode(errors="surrogateescape"))
TEXTS = st.text(max_size=12) | NAMES
PATHS = NAMES.map(Path)
COUNTS = st.integers(0, 2**70)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=8)
FOLDER_CONTENTS = st.dictionaries(
    st.text("aé日. ", max_size=4).map("f{}".format), BYTES, min_size=1, max_size=3
)
TRIALS = st.builds(
    TrialRecord,
    trial=COUNTS, run_id=st.from_regex(r"[a-z0-9-]+", fullmatch=True), status=st.sampled_from(get_args(Status)),
    lr=FINITE, params=st.dictionaries(st.text(max_size=8), PLAIN, max_size=3), score=st.none() | st.floats(-1, 1),
    train_flops=COUNTS, train_seconds=st.floats(0, allow_infinity=False),
)  # fmt: skip
TUNINGS = st.builds(Tuning, chosen=COUNTS, holdout_n=COUNTS, trials=st.lists(TRIALS, max_size=3).map(tuple))


@cache
def _base_request(preset: str) -> StudyRequest:
    host = Host.latest or Host.load(only_builtin=True)
    return make_request({"preset": preset, "methods": "kd", "tasks": "rte"}, host)


def _request(preset: str, spec: Any, execution: Any, command: str, given: frozenset[str]) -> StudyRequest:
    base = _base_request(preset)
    return StudyRequest(
        base.spec.model_copy(update=spec), base.execution.model_copy(update=execution), command, given
    )


REQUESTS = st.builds(
    _request,
    preset=st.sampled_from(("mini", "minilm", "paper-bert")),
    spec=st.fixed_dictionaries(
        {"methods": TEXTS, "tasks": TEXTS},
        optional={
            "summary": TEXTS, "reference": TEXTS, "glue_dir": st.none() | PATHS, "seeds": st.integers(1, 1000),
            "threads": st.integers(1, 99), "tune": st.integers(2, 256), "keep": st.sampled_from(("last", "none")),
            "sets": st.dictionaries(st.text(max_size=12), TEXTS, max_size=2),
            "set_by_user": st.lists(TEXTS, max_size=2).map(tuple),
        },
    ),
    execution=st.fixed_dictionaries(
        {"results": PATHS},
        optional={
            "device": TEXTS, "jobs": st.sampled_from(("1", "24", "auto")), "processes": st.integers(1, 9),
            "executor": st.sampled_from(("local", "ray")), "ray_address": TEXTS, "shard": TEXTS, "track": TEXTS,
            "fail_fast": st.booleans(), "resources": st.builds(Resources, gpus=st.floats(0.01, 8)),
        },
    ),
    command=TEXTS,
    given=st.frozensets(TEXTS, max_size=1),  # one at most: the order in a set is not fixed
)  # fmt: skip
KINDS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS, Path: PATHS, int: COUNTS, bool: st.booleans(), float: st.floats(), Tuning: TUNINGS,
    StudyRequest: REQUESTS, Files: FOLDER_CONTENTS, Mapping[Path, bytes]: st.dictionaries(PATHS, BYTES),
    Mapping[str, Any]: st.dictionaries(st.text(max_size=8), PLAIN | st.lists(PLAIN, max_size=2), max_size=3),
}  # fmt: skip


def drawn(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a type; of a dataclass with every field, whose types KINDS must know."""
    if kind in KINDS:
        return KINDS[kind]
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is tuple:
        return st.lists(drawn(get_args(kind)[0]), max_size=3).map(tuple)
    kinds = [part for part in get_args(kind) if part is not type(None)]
    if len(kinds) < len(get_args(kind)):
        return st.none() | drawn(kinds[0])
    fields = {name: drawn(hint) for name, hint in get_type_hints(kind).items()}
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


STUDIES: st.SearchStrategy[SharedStudy] = drawn(SharedStudy)


def same(one: object, other: object) -> bool:
    """Compare two values down to the types of their parts; NaN equals itself, 0.0 does not equal -0.0."""
    return repr(one) == repr(other)


def piped(line: str) -> str:
    """Return a line as it comes out of a pipe, which carries only ASCII whole: its ends may differ in encoding."""
    [arrived] = io.TextIOWrapper(io.BytesIO(f"{line}\n".encode("ascii")), encoding="ascii")
    return arrived


def pickled(value: Any) -> Any:
    """Return a value as Ray and torch hand it to another process."""
    return pickle.loads(pickle.dumps(value))
