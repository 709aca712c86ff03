"""The validated settings: rate factors, budgets and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from matekd_bench.distill.settings import (
    Budget,
    GeneratorSettings,
    Objective,
    Optimizer,
    StudentSettings,
    TeacherSettings,
    Training,
)


@pytest.mark.parametrize(
    ("warmup", "progress", "factor"),
    [
        *((0.1, *at) for at in ((0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (0.91, 0.1), (1.0, 0.0))),
        *((0.0, *at) for at in ((0.0, 1.0), (0.25, 0.75), (1.0, 0.0))),
    ],
)
def test_the_rate_rises_over_the_warm_up_and_falls_to_zero(warmup, progress, factor):
    found = Optimizer(lr=1.0, warmup=warmup).factor(progress, ("student_updates", 9))
    assert found == pytest.approx(factor, abs=1e-15)


@pytest.mark.parametrize(
    ("allowance", "factors"),
    [
        (("student_updates", 40), [0.0, 0.5, 1.0, 2 / 3, 0.0]),  # ten of forty
        (("clean_examples", 320), [0.0, 0.5, 1.0, 2 / 3, 0.0]),  # eight a batch
        (("student_updates", 8), [0.0, 0.1, 0.2, 0.4, 0.8]),  # it ends before the warm-up does
    ],
)
def test_a_warm_up_in_updates_takes_as_many_under_every_budget(allowance, factors):
    made = Optimizer(lr=1.0, batch_size=8, warmup=0.9, warmup_updates=10)
    shares = [0.0, 0.125, 0.25, 0.5, 1.0]
    assert [made.factor(share, allowance) for share in shares] == pytest.approx(factors)


def test_settings_that_came_later_are_in_no_identity_until_they_say_something_new():
    plain = Training(optimizer=Optimizer(lr=1)).model_dump()
    assert {"algorithm", "warmup_updates"}.isdisjoint(plain["optimizer"])
    assert "divergence" not in plain["objective"]
    assert "auxiliary_updates" not in plain
    new = Training(optimizer=Optimizer(lr=1, algorithm="adam"), auxiliary_updates="within").model_dump()
    assert (new["optimizer"]["algorithm"], new["auxiliary_updates"]) == ("adam", "within")
    assert Training.model_validate(new).model_dump() == new


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        ({"limit": 300}, 300),
        ({"limit": 300, "tasks": {"rte": 50}}, 50),
        ({"limit": 300, "tasks": {"mrpc": 50}}, 300),
        ({"epochs": 3}, 24),  # of 8 updates: 250 rows make 7 full batches and one of 26
        ({"epochs": 0.3}, 3),
        ({"epochs": 0.01}, 1),
        ({"limit": 300, "max_epochs": 2}, 16),
        ({"limit": 10, "max_epochs": 2}, 10),
        ({"kind": "clean_examples", "epochs": 2}, 500),
        ({"kind": "clean_examples", "limit": 900, "max_epochs": 3}, 750),
        ({"kind": "train_flops", "limit": 10**15}, 10**15),
    ],
)
def test_a_budget_is_a_limit_for_a_task_with_so_many_rows(budget, limit):
    assert Budget(**budget).resolve("rte", examples=250, batch_size=32) == limit


def test_a_budget_that_names_other_tasks_only_says_so():
    with pytest.raises(ValueError, match="'rte'"):
        Budget(tasks={"mrpc": 3}).resolve("rte", 250, 32)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Budget, {}),
        (Budget, {"limit": 0}),
        (Budget, {"tasks": {"rte": 0}}),
        (Budget, {"epochs": -1}),
        (Budget, {"kind": "train_flops", "epochs": 3}),
        (Budget, {"kind": "train_flops", "limit": 9, "epochs": 3}),
        (Budget, {"kind": "train_flops", "limit": 9, "max_epochs": 3}),
        (Budget, {"kind": "train_flops", "tasks": {"rte": 9}, "max_epochs": 3}),
        (Budget, {"kind": "seconds", "limit": 3}),
        (Optimizer, {"lr": 0}),
        (Optimizer, {"lr": 1e-3, "warmup": 1}),
        (Optimizer, {"lr": 1e-3, "batch_size": 0}),
        (Optimizer, {"lr": 1e-3, "micro_batch": 0}),
        (Optimizer, {"lr": 1e-3, "clip": 0}),
        (Optimizer, {"lr": 1e-3, "warmup_updates": -1}),
        (Optimizer, {"lr": 1e-3, "algorithm": "sgd"}),
        (Optimizer, {"lr": 1e-3, "learning_rate": 1e-3}),
        (Optimizer, {}),
        (Objective, {"gold": -1}),
        (Objective, {"gold": 0, "soft": 0}),
        (Objective, {"temperature": 0}),
        (GeneratorSettings, {"checkpoint": "x", "mask_rate": 1}),
        (GeneratorSettings, {"checkpoint": "x", "budget": {"kind": "clean_examples", "limit": 9}}),
        (GeneratorSettings, {"checkpoint": "x", "optimizer": {"lr": 1, "micro_batch": 4}}),
        (Training, {"optimizer": {"lr": 1}, "evaluations": 0}),
        (Training, {"optimizer": {"lr": 1}, "precision": "float16"}),
        (Training, {"optimizer": {"lr": 1}, "max_length": 7}),
        (TeacherSettings, {}),
        (
            TeacherSettings,
            {
                "checkpoint": "x",
                "optimizer": {"lr": 1, "warmup_updates": 3},
                "budget": {"kind": "train_flops", "limit": 9},
            },
        ),
        (StudentSettings, {"checkpoint": "x", "layers": 3}),
    ],
)
def test_bad_settings_are_refused(model, values):
    with pytest.raises(ValidationError):
        model(**values)


def test_the_objective_spends_a_third_on_gold_and_two_on_the_teacher():
    assert Objective() == Objective(gold=1 / 3, soft=2 / 3, temperature=1.0)
