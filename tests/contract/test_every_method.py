"""The contract of every method, asked of those that come with the suite; and what is asked of these alone."""

from __future__ import annotations

import pytest

from matekd_bench.plugins.host import Host
from matekd_bench.testing import check, names, subject_of

HOST = Host.load(only_builtin=True)
METHODS = sorted(name for name, provided in HOST.methods.items() if provided.record.refused is None)
ROWS = [3, 17, 4, 30, 9, 1, 25, 12, 6, 8, 21, 14, 11, 2, 28, 19]


def test_the_methods_of_the_suite_are_all_here():
    first = {"kd", "finetune", "random-mask", "eda", "matekd", "nlpaug:swap"}
    assert first | {"freelb", "r3f", "smart", "vat", "cutoff"} <= set(METHODS)


@pytest.mark.parametrize("promise", names())
@pytest.mark.parametrize("name", METHODS)
def test_every_promise_is_kept(name, promise):
    [finding] = check(subject_of(HOST.method(name).record), [promise])
    if finding.state == "not asked":
        pytest.skip(finding.happened)
    assert finding.state == "kept", str(finding)


@pytest.mark.parametrize("name", METHODS)
def test_clean_rows_are_what_every_method_of_the_suite_starts_from(rig, name):
    from rig import yielded

    lab, subject = rig(), subject_of(HOST.method(name).record)
    method = subject.record.factory(subject.params, lab.context)
    batch = lab.batch(method, ROWS)
    first = yielded(lab, method, batch)[0]
    assert first.ids.equal(batch.ids)
    assert first.labels.equal(batch.labels)


def test_some_methods_have_phases_of_their_own():
    cycles = {name for name in METHODS if "generator" in HOST.method(name).record.needs}
    assert {"matekd", "frozen-generator"} <= cycles
