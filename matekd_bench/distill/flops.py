"""The cost of a run: passes and tokens are counted in training, floating-point operations computed afterwards."""

from __future__ import annotations

import contextlib
import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Kind = Literal["forward", "train", "inputs"]
ROWS, LENGTHS = 2, (16, 32, 64)  # of the passes that are measured; a quadratic needs three lengths
SMALL = 4_000_000  # weights; up to this size computing a pass on the CPU is faster than tracing it on the meta device
# Fields of a configuration that differ between tasks and cost no FLOPs.
FREE_FIELDS = frozenset({"id2label", "label2id", "_name_or_path", "problem_type"})


@dataclass(frozen=True)
class Polynomial:
    """FLOPs of a pass over B rows of L tokens: ``B * (constant + linear * L + quadratic * L^2)``."""

    constant: int
    linear: int
    quadratic: int

    def __call__(self, rows: int, length: int) -> int:
        return rows * (self.constant + self.linear * length + self.quadratic * length**2)


PassCost: TypeAlias = Callable[[int, int], int]  # FLOPs of a pass over B rows of L tokens


class SteppedCost:
    """FLOPs of a pass of a model that pads its input itself, to a multiple of `step`; measured for each length."""

    def __init__(self, flops: PassCost, step: int) -> None:
        self._flops, self._step = flops, step
        self._measured: dict[int, int] = {}

    def __call__(self, rows: int, length: int) -> int:
        padded = -(-length // self._step) * self._step
        if padded not in self._measured:
            self._measured[padded] = self._flops(1, padded)
        return rows * self._measured[padded]


def fit(flops: PassCost) -> Polynomial:
    """Fit the polynomial to `flops(rows, length)` at three lengths.

    The fit is exact for all lengths, since attention is quadratic in the length and the rest is linear.
    """
    a, b, c = (flops(ROWS, length) / ROWS for length in LENGTHS)
    x, y, z = LENGTHS
    quadratic = ((c - a) / (z - x) - (b - a) / (y - x)) / (z - y)
    linear = (b - a) / (y - x) - quadratic * (x + y)
    constant = a - linear * x - quadratic * x**2
    # The coefficients are whole numbers; the divisions made floats of them.
    return Polynomial(round(constant), round(linear), round(quadratic))


# For the whole process: most runs of a study have the same architectures.
_measured: dict[tuple[type, str, bool, Kind], PassCost] = {}


class _FlopCounter(TorchDispatchMode):
    """A context that adds up the FLOPs of the operations computed inside it, by torch's own formulas.

    `FlopCounterMode` does the same for every module separately, which takes longer.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:  # a composite operation counts as the operations it consists of
                if (result := func.decompose(*args, **(kwargs or {}))) is not NotImplemented:
                    return result
        result = func(*args, **(kwargs or {}))
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


class FlopModel:
    """The FLOPs of an encoder's or classifier's passes, measured on a copy of the network.

    The copy uses eager attention, because torch's formulas count SDPA on a CPU as 0. A large network is measured on the
    meta device, where nothing is computed. Kinds of passes: "forward" without a graph, "train" with gradients of all
    weights, "inputs" with gradients of the word embeddings only.
    """

    def __init__(self, model: Any) -> None:
        # Only the configuration is kept: a reference to the model would keep its weights in memory.
        self._config = copy.deepcopy(model.config)
        self._config._attn_implementation = "eager"
        self._type: Any = type(model)
        self._pooled = getattr(model, "pooler", None) is not None
        self._masked = False  # True once a pass on the meta device has failed without a mask

    @cached_property
    def _model(self) -> Any:
        model = self._build("meta")
        return model if sum(weight.numel() for weight in model.parameters()) > SMALL else self._build("cpu")

    def _build(self, device: str) -> Any:
        # Fresh weights on a CPU are drawn from the global generator, which the run must find unchanged.
        with torch.random.fork_rng(devices=[]), torch.device(device):
            model = self._type(self._config).eval()
        if not self._pooled:  # a masked language model has no pooler, even if its class adds one by default
            model.pooler = None
        return model

    @cached_property
    def _architecture(self) -> str:
        """The configuration as JSON, without label names and paths: they differ between tasks and cost nothing."""
        fields = {name: value for name, value in self._config.to_dict().items() if name not in FREE_FIELDS}
        return json.dumps({**fields, "labels": self._config.num_labels}, sort_keys=True, default=str)

    def __call__(self, kind: Kind) -> PassCost:
        """Return the cost of one kind of pass; each architecture is measured once per process."""
        key = (self._type, self._architecture, self._pooled, kind)
        if key not in _measured:
            _measured[key] = self._cost(kind)
        return _measured[key]

    def _cost(self, kind: Kind) -> PassCost:
        def measure(rows: int, length: int) -> int:
            return self._measure(kind, rows, length)

        if windows := getattr(self._config, "attention_window", None):  # Longformer pads to whole windows
            return SteppedCost(measure, max(windows) if isinstance(windows, (list, tuple)) else windows)
        if hasattr(self._config, "block_sizes"):  # Funnel halves the length from block to block, rounding up
            return SteppedCost(measure, 1)
        return fit(measure)

    def _measure(self, kind: Kind, rows: int, length: int) -> int:
        try:
            return self._pass(kind, rows, length)
        except (RuntimeError, NotImplementedError):
            # Some models read values, which the meta device does not have: BERT reads the mask, GPT-2 the ids if there
            # is no mask, T5 both.
            if next(self._model.parameters()).device.type == "cpu":
                raise
            if self._masked:
                self._model = self._build("cpu")
            self._masked = True
            return self._measure(kind, rows, length)

    def _pass(self, kind: Kind, rows: int, length: int) -> int:
        """Count the operations of one pass over ids without padding."""
        model = self._model.requires_grad_(kind == "train")
        table = model.get_input_embeddings()
        # T5 and BART answer from the end token, which each row must contain the same number of times.
        token = (self._config.eos_token_id or 0) if self._config.is_encoder_decoder else 0
        ids = torch.full((rows, length), token, device=table.weight.device)
        inputs = {"input_ids": ids}
        if self._masked or not ids.is_meta:  # a mask without padding costs as much as none
            inputs["attention_mask"] = torch.ones_like(ids)
        with (
            _detached_output(table, kind != "forward"),
            _FlopCounter() as counter,
            torch.set_grad_enabled(kind != "forward"),
        ):
            output = model(**inputs)[0]
            if kind != "forward":
                output.sum().backward()
        model.zero_grad(set_to_none=True)
        return int(counter.flops)


@contextlib.contextmanager
def _detached_output(table: Any, requires_grad: bool) -> Iterator[None]:
    """Make the embeddings that `table` returns the start of the graph, so that the backward pass ends there."""
    handle = table.register_forward_hook(
        lambda module, inputs, output: output.detach().requires_grad_(requires_grad)
    )
    try:
        yield
    finally:
        handle.remove()


class Meter:
    """A counter of passes by model, kind and shape.

    Counting is cheap (a dictionary addition per pass); FLOPs are computed on request.
    """

    def __init__(self) -> None:
        self._passes: Counter[tuple[str, Kind, int, int]] = Counter()
        self._flops: dict[tuple[str, Kind], PassCost] = {}
        self._models: dict[str, Callable[[Kind], PassCost]] = {}
        self.extra_flops = 0
        self.real_tokens = 0
        self.padded_tokens = 0
        self._paused = False

    def register(self, name: str, flops: Callable[[Kind], PassCost]) -> None:
        """Register a model under `name`; `flops` gives the cost of each kind of pass."""
        self._models[name] = flops

    def book(self, name: str, kind: Kind, rows: int, length: int, extra_flops: int = 0) -> None:
        """Count one forward pass and, unless its kind is "forward", the backward pass that will follow.

        `extra_flops` are operations that the model's registered cost does not include.
        """
        if not self._paused:
            self._passes[name, kind, rows, length] += 1
            self.extra_flops += extra_flops

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing inside the block."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    @property
    def flops(self) -> int:
        """Floating-point operations of all passes counted so far."""
        return self.extra_flops + sum(
            count * self.cost(name, kind, rows, length)
            for (name, kind, rows, length), count in self._passes.items()
        )

    def cost(self, name: str, kind: Kind, rows: int, length: int) -> int:
        """Return the floating-point operations of one pass of a registered model."""
        if (name, kind) not in self._flops:
            self._flops[name, kind] = self._models[name](kind)
        return self._flops[name, kind](rows, length)

    def forwards(self) -> Mapping[str, int]:
        """Return the number of forward passes by model."""
        return self._count(lambda kind: True)

    def backwards(self) -> Mapping[str, int]:
        """Return the number of backward passes by model."""
        return self._count(lambda kind: kind != "forward")

    def state_dict(self) -> dict[str, Any]:
        """Return everything counted so far as plain values, for :meth:`load_state_dict`."""
        return {
            "passes": [[*key, count] for key, count in self._passes.items()],
            "extra_flops": self.extra_flops,
            "real_tokens": self.real_tokens,
            "padded_tokens": self.padded_tokens,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace all counts with those of another meter's :meth:`state_dict`."""
        self._passes = Counter(
            {(name, kind, rows, length): count for name, kind, rows, length, count in state["passes"]}
        )
        self.extra_flops = state["extra_flops"]
        self.real_tokens, self.padded_tokens = state["real_tokens"], state["padded_tokens"]

    def absorb(self, state: Mapping[str, Any]) -> None:
        """Add the passes that another process counted.

        Tokens are not added: every process counts those of whole batches already.
        """
        for name, kind, rows, length, count in state["passes"]:
            self._passes[name, kind, rows, length] += count
        self.extra_flops += state["extra_flops"]

    def clear_passes(self) -> None:
        """Set the counts of passes to zero, after another process has absorbed them."""
        self._passes.clear()
        self.extra_flops = 0

    def _count(self, includes: Callable[[Kind], bool]) -> Mapping[str, int]:
        totals: Counter[str] = Counter()
        for (name, kind, _, _), count in self._passes.items():
            if includes(kind):
                totals[name] += count
        return dict(sorted(totals.items()))
