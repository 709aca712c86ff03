"""A wrapper and the method in it as one method: its record, its identity, and what its factory is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matekd_bench.errors import UsageError
from matekd_bench.methods.method import Method, Params
from matekd_bench.methods.params import ResolvedMethod, resolve_all
from matekd_bench.methods.perturbation import Perturbation
from matekd_bench.methods.wrapping import Wrapped, WrapperParams, check_wrapping


class InnerParams(Params):
    alpha: float = 0.1


class OuterParams(WrapperParams):
    n: int = 4


class Called(Perturbation):
    """A method that shows what its factory was called with."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments[:2])
        self.arguments = arguments

    def views(self, batch: Any, models: Any) -> Any:
        yield batch.clean


INNER = Method(
    name="inner", summary="", params=InnerParams, factory=Called, level="text", version="3",
    needs=frozenset({"thesaurus"}),
    overrides=lambda params: {"training.evaluations": 1, "training.optimizer.lr": params.alpha},
    resources=lambda params: {"thesaurus": f"words {params.alpha}", "library": "1"},
)  # fmt: skip
OUTER = Method(
    name="outer", summary="", params=OuterParams, factory=Called, level="text", version="2", wraps="text",
    needs=frozenset({"mask-token"}), overrides=lambda params: {"training.evaluations": params.n},
    resources=lambda params: {"library": f"of {params.n}"},
    cost_beforehand=lambda params: {"USD": 0.5, "hours": 1.0},
)  # fmt: skip


def resolved(text: str, inner: Method = INNER) -> ResolvedMethod:
    [found] = resolve_all(text, {"inner": inner, "outer": OUTER}.__getitem__, {})
    return found


def test_the_parameters_hold_all_of_the_wrapped_methods() -> None:
    params = resolved("outer[inner[alpha=.2]]").params
    assert params == OuterParams(inner=Wrapped(method="inner", params={"alpha": 0.2}), n=4)
    assert params.model_dump(mode="json") == {"inner": {"method": "inner", "params": {"alpha": 0.2}}, "n": 4}
    assert resolved("outer[inner]").params.model_dump()["inner"]["params"] == {"alpha": 0.1}


def test_the_factory_gets_the_wrapped_method_at_work() -> None:
    found = resolved("outer[inner[alpha=.2],n=3]")
    params, context, inner = found.record.factory(found.params, "context").arguments
    assert (params, context) == (found.params, "context")
    assert inner.arguments == (InnerParams(alpha=0.2), "context")


def test_the_record_says_what_both_need_use_and_override() -> None:
    found = resolved("outer[inner[alpha=.2]]")
    assert found.record.needs == {"mask-token", "thesaurus"}
    assert found.record.overrides(found.params) == {"training.evaluations": 4, "training.optimizer.lr": 0.2}
    assert found.record.resources(found.params) == {"thesaurus": "words 0.2", "library": "1; of 4"}
    both_use_one = replace(INNER, resources=lambda params: {"library": "of 4"})
    found = resolved("outer[inner]", both_use_one)
    assert found.record.resources(found.params) == {"library": "of 4"}


def test_both_check_the_rows_and_say_what_was_spent() -> None:
    inner = replace(
        INNER,
        check_rows=lambda params, rows: [f"{params.alpha} of {len(rows)}"],
        cost_beforehand=lambda params: {"USD": 2, "tokens": 9.0},
    )
    found = resolved("outer[inner[alpha=.2]]", inner)
    assert list(found.record.check_rows(found.params, {"a": ("b",)})) == ["0.2 of 1"]
    assert found.record.cost_beforehand(found.params) == {"USD": 2.5, "tokens": 9.0, "hours": 1.0}


def test_another_version_of_the_wrapped_method_is_another_version() -> None:
    assert resolved("outer[inner]").record.version == "2+inner-3"
    assert resolved("outer[inner]", replace(INNER, version="4")).record.version == "2+inner-4"
    assert resolved("inner").record is INNER


@pytest.mark.parametrize("level", ["control", "token", "embedding", "generator"])
def test_other_levels_are_refused_in_one_line(level: Any) -> None:
    check_wrapping(OUTER, INNER, "outer[inner]")
    check_wrapping(INNER, None, "inner")
    named = rf"'outer'.*'inner' in 'outer\[inner,n=2\]'.*{level}.*'outer\[METHOD\]'"
    with pytest.raises(UsageError, match=named):
        check_wrapping(OUTER, replace(INNER, level=level), "outer[inner,n=2]")
