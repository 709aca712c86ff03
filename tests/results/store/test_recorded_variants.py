"""Which recorded variant a method of the settings is: by its values, however they are written."""

from __future__ import annotations

from typing import Any

import pytest

from matekd_bench.methods.grammar import parse
from matekd_bench.methods.params import ResolvedMethod, resolve_all
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.recorded_variants import recorded_variants

TRIAL = {
    "trial": 1,
    "run_id": "t1",
    "status": "ok",
    "lr": 5e-5,
    "score": 0.5,
    "train_flops": 1,
    "train_seconds": 1.0,
}


def found(listed: str, *runs: Any) -> dict[str, str]:
    """The recorded variant of each method in `listed` that has one."""
    return {str(ref): variant for ref, variant in recorded_variants(parse(listed), runs).items()}


def test_a_default_that_is_listed_is_the_variant_without_it(make_record: Any) -> None:
    runs = [
        make_record(f"freelb{part}", params={"steps": steps}) for part, steps in (("", 3), ("[steps=4]", 4))
    ]
    assert found("freelb,freelb[steps=2|3|4]", *runs) == {
        "freelb": "freelb",
        "freelb[steps=3]": "freelb",
        "freelb[steps=4]": "freelb[steps=4]",
    }


def test_numbers_are_equal_in_any_notation(make_record: Any) -> None:
    runs = [make_record(f"r3f[epsilon={value}]", params={"epsilon": value}) for value in (1e-5, 0.01, 0.1)]
    assert found("r3f[epsilon=1e-5|1e-2|3e-2|1e-1]", *runs) == {
        "r3f[epsilon=1e-5]": "r3f[epsilon=1e-05]",
        "r3f[epsilon=1e-2]": "r3f[epsilon=0.01]",
        "r3f[epsilon=1e-1]": "r3f[epsilon=0.1]",
    }


def test_another_value_is_another_variant(make_record: Any) -> None:
    record = make_record("eda[alpha=0.2]", params={"alpha": 0.2, "swap": True})
    assert found("eda[alpha=0.3],eda,eda[alpha=0.2]@2x,aeda[alpha=0.2]", record) == {}
    assert found("eda[alpha=0.2]@2x", make_record("eda[alpha=0.2]@2x", params={"alpha": 0.2})) != {}


@pytest.mark.parametrize(
    ("value", "text", "other"),
    [
        (True, "yes", "no"),
        (False, "0", "true"),
        (None, "None", "3"),
        (3, "3.0", "three"),
        ("dot", "dot", "cos"),
        ([0, 1], '"[0,1]"', "0"),
    ],
)
def test_values_are_compared_by_type(make_record: Any, value: object, text: str, other: str) -> None:
    record = make_record("m", params={"x": value})
    assert [*found(f"m[x={text}|{other}]", record).values()] == ["m"]
    assert found(f"m[x={other}]", record) == {}


def test_wrapped_methods_are_compared_too(make_record: Any) -> None:
    inner = {"method": "eda", "params": {"alpha": 0.1}}
    record = make_record("worst-of-n[eda]", params={"inner": inner, "n": 4})
    assert found("worst-of-n[eda[alpha=1e-1|0.2],n=4],worst-of-n[aeda]", record) == {
        "worst-of-n[eda[alpha=1e-1],n=4]": "worst-of-n[eda]"
    }
    odd = make_record("worst-of-n[eda]", params={"inner": 3})
    assert found("worst-of-n[eda],worst-of-n", odd) == {"worst-of-n[eda]": "worst-of-n[eda]"}


def test_a_value_that_no_record_has_is_taken_once(make_record: Any) -> None:
    runs = [make_record("matekd"), make_record("matekd[variant=official]", params={"variant": "official"})]
    assert found("matekd[variant=official|paper|third]", *runs) == {
        "matekd[variant=official]": "matekd[variant=official]",
        "matekd[variant=paper]": "matekd",
    }


def test_values_that_tuning_chose_are_not_those_of_the_settings(make_record: Any) -> None:
    tuning = {"chosen": 1, "holdout_n": 10, "trials": [TRIAL | {"params": {"alpha": 0.4}}]}
    record = make_record("eda", params={"alpha": 0.4}, tuning=tuning)
    assert found("eda[alpha=0.1]", record) == {"eda[alpha=0.1]": "eda"}


def test_a_variant_outside_the_grammar_is_no_method(make_record: Any) -> None:
    assert found("kd", make_record("kd["), make_record("kd,eda"), make_record("kd")) == {"kd": "kd"}


@pytest.mark.parametrize(
    "listed",
    [
        "kd,kd@1x,kd@2x,kd@2.0x",
        "freelb,freelb[steps=2|3|4],freelb[share_dropout=yes|off]",
        "eda[alpha=1e-1|0.10|.2],eda[swap=no]",
        "matekd[variant=paper|official]",
        "worst-of-n[eda|eda[alpha=.1|.2],n=2|4]",
    ],
)
def test_every_built_in_method_is_the_variant_that_the_planner_makes_of_it(
    make_record: Any, listed: str
) -> None:
    def resolve(text: str) -> list[ResolvedMethod]:
        return [*resolve_all(text, lambda name: host.method(name).record, {})]

    host = Host.load((), only_builtin=True)
    runs = [
        make_record(method.variant, params=method.params.model_dump(mode="json"))
        for method in resolve(listed)
    ]
    refs = parse(listed)
    assert recorded_variants(refs, runs) == {ref: resolve(str(ref))[0].variant for ref in refs}
