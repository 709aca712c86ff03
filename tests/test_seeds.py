"""Seeds keyed by names."""

from __future__ import annotations

import ast
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from bindings import ROOT
from matekd_bench.seeds import PURPOSES, seed_of

# Calls whose text arguments enter a seed, and from which argument on.
SEEDING = {
    "seed_of": 0,
    "seed": 0,
    "draw": 1,
    "gaussian": 2,
    "uniform": 2,
    "DataOrder": 4,
    "PlannedUpdate": 0,
}
PARAMETERS = {"data_order", "method_init"}  # of functions that pass them on to such calls


def test_the_values_are_pinned():
    """A change here changes every result: it must come with a new engine version."""
    assert seed_of(0, "rte", "init") == 7432076780538241934
    assert seed_of(3, "rte", "dropout", 17, 0) == 4397938250846669809


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("1",), (1,)),
        (("a", "b"), ("ab",)),
        (("a", "b"), ("b", "a")),
        (("a|s1:b",), ("a", "b")),
        ((1, 2), (12,)),
        ((-1,), (1,)),
        ((), ("",)),
    ],
)
def test_different_parts_give_different_seeds(first, second):
    assert seed_of(*first) != seed_of(*second)


@pytest.mark.parametrize("part", [1.0, True, None, b"x"])
def test_only_text_and_whole_numbers_are_parts(part):
    with pytest.raises(TypeError):
        seed_of("rte", part)


def test_every_seed_fits_torch_and_python():
    seeds = [seed_of("purpose", number) for number in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62  # the whole range is used
    torch.Generator().manual_seed(max(seeds))
    random.Random(max(seeds))


def test_the_hash_seed_of_python_does_not_matter():
    code = "from matekd_bench.seeds import seed_of; print(seed_of(1, 'x'))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": value}, capture_output=True, text=True, check=True,
        ).stdout
        for value in ("0", "1")
    }  # fmt: skip
    assert runs == {f"{seed_of(1, 'x')}\n"}


def seeding_texts() -> Iterator[str]:
    """Every text in the product's code that enters a seed; what an f-string fills in is left blank."""
    for folder in ("matekd_bench", "plugins", "tasks"):
        for file in (ROOT / folder).rglob("*.py"):
            if (
                file.parent.name == "contract" or file.name == "seeds.py"
            ):  # methods that only the contract draws for
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                    for argument in node.args[SEEDING.get(name, len(node.args)) :]:
                        yield from texts_of(argument)
                    for keyword in node.keywords:
                        if keyword.arg in PARAMETERS:
                            yield from texts_of(keyword.value)
                elif isinstance(node, ast.arguments):
                    for parameter, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
                        if parameter.arg in PARAMETERS and default is not None:
                            yield from texts_of(default)


def texts_of(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.JoinedStr):
        yield re.sub(r"\{[^}]*\}", "{}", ast.unparse(argument)[2:-1])


def test_every_text_that_enters_a_seed_is_listed() -> None:
    """Renaming one moves numbers: whoever does must meet the list, which says so."""
    listed = {re.sub(r"\{[^}]*\}", "{}", purpose) for purpose in PURPOSES}
    used = set(seeding_texts())
    assert used <= listed, "not in seeds.PURPOSES"
    assert listed - used <= {"teacher", "generator", "held-out"}, "in seeds.PURPOSES, and nowhere else"
