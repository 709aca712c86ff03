"""What a run costs: passes, tokens and floating-point operations, counted at every forward and summed afterwards."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Kind = Literal["forward", "train", "inputs"]
ROWS, LENGTHS = 2, (16, 32, 64)
SMALL = 4_000_000  # weights up to which a pass is computed, which is quicker than to describe it on the meta device
NAMES = frozenset({"id2label", "label2id", "_name_or_path", "problem_type"})


@dataclass(frozen=True)
class Polynomial:
    """FLOPs of one pass over B rows of L tokens: ``B * (constant + linear * L + quadratic * L^2)``."""

    constant: int
    linear: int
    quadratic: int

    def __call__(self, rows: int, length: int) -> int:
        return rows * (self.constant + self.linear * length + self.quadratic * length**2)


def fit(flops: Callable[[int, int], int]) -> Polynomial:
    """The polynomial through `flops(rows, length)` at three lengths; exact, since attention is quadratic."""
    a, b, c = (flops(ROWS, length) / ROWS for length in LENGTHS)
    x, y, z = LENGTHS
    quadratic = ((c - a) / (z - x) - (b - a) / (y - x)) / (z - y)
    linear = (b - a) / (y - x) - quadratic * (x + y)
    constant = a - linear * x - quadratic * x**2
    return Polynomial(round(constant), round(linear), round(quadratic))


_measured: dict[tuple[type, str, bool, Kind], Polynomial] = {}


class _Count(TorchDispatchMode):
    """Adds up the FLOPs of what is computed within it, by torch's own formulas.

    `FlopCounterMode` does the same by module, which takes longer.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = flop_registry.get(func._overloadpacket)
        if known is None:
            with self:  # what is made of others counts as these
                if (parts := func.decompose(*args, **(kwargs or {}))) is not NotImplemented:
                    return parts
        result = func(*args, **(kwargs or {}))
        if known is not None:
            self.flops += known(*args, **(kwargs or {}), out_val=result)
        return result


class FlopModel:
    """FLOPs of the passes of an encoder or classifier by kind, measured on a copy under eager attention.

    SDPA on a CPU counts as nothing in torch's formulas, hence eager attention. A large network is measured on the meta
    device, where nothing is computed. Kinds: "forward" without a graph, "train" with gradients of all weights, "inputs"
    with gradients of the word embeddings only.
    """

    def __init__(self, model: Any) -> None:
        self._config = copy.deepcopy(model.config)
        self._config._attn_implementation = "eager"
        self._type: Any = type(model)
        self._pooled = getattr(model, "pooler", None) is not None

    @cached_property
    def _model(self) -> Any:
        model = self._on("meta")
        return model if sum(weight.numel() for weight in model.parameters()) > SMALL else self._on("cpu")

    def _on(self, device: str) -> Any:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            model = self._type(self._config).eval()
        if not self._pooled:  # as in masked language models, whatever the class does by itself
            model.pooler = None
        return model

    @cached_property
    def _shape(self) -> str:
        """The configuration without the names of labels and places, which differ from task to task and cost nothing."""
        facts = {name: value for name, value in self._config.to_dict().items() if name not in NAMES}
        return json.dumps({**facts, "labels": self._config.num_labels}, sort_keys=True, default=str)

    def __call__(self, kind: Kind) -> Polynomial:
        """The polynomial for one kind of pass; measured once in a process for all models of one architecture."""
        key = (self._type, self._shape, self._pooled, kind)
        if key not in _measured:
            _measured[key] = fit(lambda rows, length: self._measure(kind, rows, length))
        return _measured[key]

    def _measure(self, kind: Kind, rows: int, length: int) -> int:
        model = self._model.requires_grad_(kind == "train")
        table = model.get_input_embeddings()
        ids = torch.zeros(rows, length, dtype=torch.long, device=table.weight.device)
        with _Count() as counter, torch.set_grad_enabled(kind != "forward"):
            output = model(inputs_embeds=table(ids).detach().requires_grad_(kind != "forward"))[0]
            if kind != "forward":
                output.sum().backward()
        model.zero_grad(set_to_none=True)
        return int(counter.flops)


class Meter:
    """Counts passes by model, kind and shape: a few dictionary additions at run time, FLOPs at the end."""

    def __init__(self) -> None:
        self._passes: Counter[tuple[str, Kind, int, int]] = Counter()
        self._flops: dict[tuple[str, Kind], Polynomial] = {}
        self._models: dict[str, Callable[[Kind], Polynomial]] = {}
        self.extra_flops = 0
        self.real_tokens = 0
        self.padded_tokens = 0

    def register(self, name: str, flops: Callable[[Kind], Polynomial]) -> None:
        """Names a model and says how its FLOPs are found."""
        self._models[name] = flops

    def book(self, name: str, kind: Kind, rows: int, length: int) -> None:
        """Counts one forward pass (and, unless its kind is "forward", the backward pass to come)."""
        self._passes[name, kind, rows, length] += 1

    @property
    def flops(self) -> int:
        """Floating-point operations of everything booked so far."""
        return self.extra_flops + sum(
            count * self.cost(name, kind, rows, length)
            for (name, kind, rows, length), count in self._passes.items()
        )

    def cost(self, name: str, kind: Kind, rows: int, length: int) -> int:
        """Floating-point operations of one pass of a registered model."""
        if (name, kind) not in self._flops:
            self._flops[name, kind] = self._models[name](kind)
        return self._flops[name, kind](rows, length)

    def forwards(self) -> Mapping[str, int]:
        """Forward passes by model."""
        return self._count(lambda kind: True)

    def backwards(self) -> Mapping[str, int]:
        """Backward passes by model."""
        return self._count(lambda kind: kind != "forward")

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` takes: everything counted so far, as plain values."""
        return {
            "passes": [[*key, count] for key, count in self._passes.items()],
            "extra_flops": self.extra_flops,
            "real_tokens": self.real_tokens,
            "padded_tokens": self.padded_tokens,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Forgets what it counted and goes on from what another meter had."""
        self._passes = Counter(
            {(name, kind, rows, length): count for name, kind, rows, length, count in state["passes"]}
        )
        self.extra_flops = state["extra_flops"]
        self.real_tokens, self.padded_tokens = state["real_tokens"], state["padded_tokens"]

    def absorb(self, state: Mapping[str, Any]) -> None:
        """Adds the passes that another process counted; tokens are those of whole batches, which each counts."""
        for name, kind, rows, length, count in state["passes"]:
            self._passes[name, kind, rows, length] += count
        self.extra_flops += state["extra_flops"]

    def forget_passes(self) -> None:
        """Begins to count passes anew: what was counted is another's now."""
        self._passes.clear()
        self.extra_flops = 0

    def _count(self, wanted: Callable[[Kind], bool]) -> Mapping[str, int]:
        totals: Counter[str] = Counter()
        for (name, kind, _, _), count in self._passes.items():
            if wanted(kind):
                totals[name] += count
        return dict(sorted(totals.items()))
