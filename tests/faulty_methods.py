"""Methods with one fault each, made in a line, and the checks of the contract that find them."""

from __future__ import annotations

from matekd_bench import Method, NoParams, Perturbation, TextPerturbation, TokenPerturbation
from matekd_bench.testing import check, names, subject_of

SLOW = ("memory", "mini-glue", "process")
NEEDS = frozenset({"one-vocabulary", "mask-token"})


def method(factory, level="text", params=NoParams, needs=frozenset()):
    return Method(
        name="tested", summary="", factory=factory, level=level, version="1", params=params, needs=needs
    )


def failed(record, *wanted):
    """Return the results of the checks that a method fails, by name; of those wanted, or of all but the slow ones."""
    wanted = wanted or [name for name in names() if name not in SLOW]
    return {result.check: result for result in check(subject_of(record), wanted) if result.state == "failed"}


def _class(function, base):
    """A class with this function, in its module, for messages that name the line."""
    name = "views" if base is Perturbation else "perturb"
    return type(function.__name__, (base,), {name: function, "__module__": function.__module__})


def text(perturb):
    """A class of text methods around this function."""
    return _class(perturb, TextPerturbation)


def tokens(perturb):
    """A class of token methods around this function."""
    return _class(perturb, TokenPerturbation)


def yields(views):
    """A class of methods with these views."""
    return _class(views, Perturbation)
