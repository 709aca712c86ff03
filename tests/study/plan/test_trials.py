"""Which trials a method gets, and the method with their values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matekd_bench.errors import UsageError
from matekd_bench.methods.params import ResolvedMethod, resolve_all
from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.trials import protocol_tuning, spaces_of, trials_of, tuning_identity, with_values


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.load((), only_builtin=True)


def resolved(host: Host, text: str) -> ResolvedMethod:
    return resolve_all(text, lambda name: host.method(name).record, {})[0]


def changed(host: Host, text: str, **values: float) -> ResolvedMethod:
    plain = {name.replace("__", "."): value for name, value in values.items()}
    return with_values(resolved(host, text), plain, lambda name: host.method(name).record)


@pytest.mark.parametrize(
    ("text", "fixed", "names"),
    [
        ("kd", (), ["lr"]),
        ("eda", (), ["lr", "alpha"]),
        ("eda[alpha=0.1]", (), ["lr"]),
        ("eda", ("eda.alpha",), ["lr"]),
        ("eda", ("aeda.alpha",), ["lr", "alpha"]),
        ("matekd", (), ["lr", "generator_lr", "mask_rate"]),
        ("worst-of-n[eda,n=2]", (), ["lr", "inner.alpha"]),
        ("worst-of-n[eda[alpha=0.2]]", (), ["lr"]),
    ],
)
def test_what_the_user_gave_is_not_searched(
    host: Host, text: str, fixed: tuple[str, ...], names: list[str]
) -> None:
    assert list(spaces_of(resolved(host, text), fixed)) == names


def test_the_first_trial_is_the_settings_and_a_larger_number_begins_with_a_smaller(host: Host) -> None:
    spaces = spaces_of(resolved(host, "eda"), ())
    few, many = trials_of(spaces, 3), trials_of(spaces, 9)
    assert (few[0].rate, few[0].params) == (1.0, {})
    assert many[:3] == few
    assert len({(trial.rate, *trial.params.values()) for trial in many}) == 9


def test_all_methods_try_the_same_learning_rates(host: Host) -> None:
    rates = [
        [trial.rate for trial in trials_of(spaces_of(resolved(host, name), ()), 8)]
        for name in ("kd", "matekd", "vat")
    ]
    assert rates[0] == rates[1] == rates[2]
    assert min(rates[0]) >= 0.25
    assert max(rates[0]) <= 4


def test_a_rate_that_the_method_sets_itself_is_not_searched(host: Host) -> None:
    def with_own_rate(text: str) -> ResolvedMethod:
        method = resolved(host, text)
        record = replace(method.record, overrides=lambda params: {"training.optimizer.lr": 1e-4})
        return replace(method, record=record)

    spaces = spaces_of(with_own_rate("eda"), ())
    trials = trials_of(spaces, 4)
    assert (list(spaces), {trial.rate for trial in trials}) == (["alpha"], {1.0})
    assert len({trial.params.get("alpha") for trial in trials}) == 4
    with pytest.raises(UsageError, match=r"'kd'.*--tune"):
        spaces_of(with_own_rate("kd"), ())


def test_values_go_into_parameters_and_name_also_of_a_wrapped_method(host: Host) -> None:
    method = changed(host, "eda[num_aug=2]", alpha=0.3)
    assert (method.params.alpha, method.variant) == (0.3, "eda[alpha=0.3,num_aug=2]")  # type: ignore[attr-defined]
    method = changed(host, "worst-of-n[eda,n=2]@2x", inner__alpha=0.3)
    assert method.variant == "worst-of-n[eda[alpha=0.3],n=2]@2x"
    assert method.params.inner.params["alpha"] == 0.3  # type: ignore[attr-defined]
    assert method.record.version == resolved(host, "worst-of-n[eda,n=2]").record.version
    assert method.record.factory.__self__.inner_params.alpha == 0.3  # type: ignore[attr-defined]


def test_values_that_contradict_what_was_given_are_one_line(host: Host) -> None:
    with pytest.raises(UsageError, match=r"adv_lr of 'freelb\[published=roberta\]'"):
        changed(host, "freelb[published=roberta]", adv_lr=0.2)


def test_number_and_spaces_are_part_of_identities(host: Host) -> None:
    spaces = spaces_of(resolved(host, "eda"), ())
    assert protocol_tuning(None) is None
    assert protocol_tuning(4) != protocol_tuning(8)
    assert tuning_identity(spaces, 4) != tuning_identity(spaces_of(resolved(host, "kd"), ()), 4)
