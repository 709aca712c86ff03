"""Methods that depend on the process they run in, found by another process with other hashes of texts."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest

from faulty_methods import method, text
from matekd_bench.methods.params import resolve_all
from matekd_bench.plugins.host import Host
from matekd_bench.testing import CheckResult, Subject, check, subject_of

PLUGIN = """
import os
import random
import sys
from functools import partial

from matekd_bench import Method, Params, TextPerturbation, hookimpl

class Share(Params):
    rate: float = 0.0

class Any(TextPerturbation[Share]):
    version = "1"

    def perturb(self, text, rng):
        return " ".join(word for word in text.split() if rng.random() >= self.params.rate) or text

class SetOrder(Any):
    name = "set-order"

    def perturb(self, text, rng):
        return " ".join(set(text.split())) or text

class Hashed(Any):
    name = "hashed"

    def perturb(self, text, rng):
        return text if random.Random(hash(text)).random() < 0.5 else text + " !"

class Counted(Any):
    name = "counted"

    def perturb(self, text, rng):
        return text + " !" * (os.getpid() % 2)

    def state_dict(self):
        return {{"process": os.getpid()}}

class Sorted(Any):
    name = "sorted"

    def perturb(self, text, rng):
        os.write(1, b"not JSON\\n")
        print("not JSON")
        return " ".join(sorted(set(text.split()))) or text

class Raising(Any):
    name = "raising"

    def perturb(self, text, rng):
        if os.getpid() != {here}:
            sys.exit("not here")
        return text

class Ending(Raising):
    name = "ending"

    def perturb(self, text, rng):
        if os.getpid() != {here}:
            os._exit(3)
        return text

@hookimpl
def matekd_bench_methods():
    yield from (SetOrder, Hashed, Counted, Sorted, Raising, Ending)
    yield Method(name="partly", summary="", factory=partial(Any), params=Share, level="text", version="1")
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CheckResult]:
    """Return the outcome of the check for a method of the plugin above."""
    file = tmp_path_factory.mktemp("plugin") / "processes.py"
    file.write_text(PLUGIN.format(here=os.getpid()), encoding="utf-8")
    host = Host.load([file])

    def outcome(name: str) -> CheckResult:
        [subject] = map(subject_of, resolve_all(name, lambda name: host.method(name).record, {}))
        return _process(subject)

    return outcome


def _process(subject: Subject) -> CheckResult:
    [result] = check(subject, ["process"])
    return result


@pytest.mark.parametrize(
    ("name", "named"), [("set-order", "the text of row"), ("hashed", "the text of row"), ("counted", "")]
)
def test_what_another_process_does_otherwise_is_named(checked, name, named):
    result = checked(name)
    assert (result.state, named in result.happened) == ("failed", True)


def test_the_texts_of_both_processes_are_quoted(checked):
    happened = checked("set-order").happened
    here, there = happened.partition(": here ")[2].split(", there ")
    assert here != there
    assert set(here.strip("'").split()) & set(there.strip("'").split())


@pytest.mark.parametrize(
    "name", ["sorted", "partly[rate=0.3]", "worst-of-n[sorted,n=2]", "worst-of-n[partly,n=2]"]
)
def test_a_method_that_is_the_same_everywhere_passes_whatever_it_prints(checked, name):
    result = checked(name)
    assert result.state == "passed", str(result)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("raising", "SystemExit: not here"),
        pytest.param("ending", "code 3", marks=pytest.mark.full),  # a new process takes seconds to start
    ],
)
def test_a_method_that_fails_in_another_process_fails_the_check(checked, name, named):
    result = checked(name)
    assert (result.state, named in result.happened) == ("failed", True)
    assert checked("sorted").state == "passed"  # the next one gets a new process


def test_a_method_that_cannot_be_imported_by_name_is_skipped():
    local = text(lambda self, text, rng: text)
    assert _process(subject_of(method(local))).state == "skipped"
    assert _process(subject_of(method(partial(local)))).state == "skipped"
