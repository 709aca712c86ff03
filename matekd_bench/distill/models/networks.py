"""Loading the networks: classifiers cut to some layers, their initial weights, and the sizes that are recorded."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.errors import CheckpointError, UsageError
from matekd_bench.gc_pause import gc_paused

LAYERS = re.compile(r"layers:(\d+(?:,\d+)*)")


@dataclass(frozen=True)
class ModelSource:
    """Where a student or generator comes from: a checkpoint and, if it is cut, the layers that are kept."""

    checkpoint: Checkpoint
    layers: tuple[int, ...] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What of it enters a run's identity: the content, not the place."""
        return {"sha256": self.checkpoint.sha256, "layers": list(self.layers) if self.layers else None}

    @property
    def name(self) -> str:
        """How tables name it."""
        if self.layers is None:
            return self.checkpoint.id
        return f"{self.checkpoint.id}[layers:{','.join(map(str, self.layers))}]"


def parse_layers(reference: str, checkpoint: Checkpoint) -> tuple[int, ...]:
    """The layers that `layers:0,1,3,5` or `layers:3` (the first three) keep of a checkpoint.

    Raises UsageError for another form, a layer that does not exist, or one named twice.
    """
    found = LAYERS.fullmatch(reference)
    if not found:
        raise UsageError(
            f"'{reference}' is no choice of layers: write layers:0,1,3,5 or layers:3 (the first three)."
        )
    depth = count_layers(checkpoint)
    numbers = [int(part) for part in found.group(1).split(",")]
    if len(numbers) == 1:
        numbers = list(range(numbers[0]))
    if not numbers or max(numbers) >= depth or len(set(numbers)) != len(numbers):
        raise UsageError(
            f"'{reference}' does not fit '{checkpoint.id}': it has {depth} layers, 0 to {depth - 1}; name each once."
        )
    return tuple(sorted(numbers))


def count_layers(checkpoint: Checkpoint) -> int:
    """How many encoder layers a checkpoint's config names."""
    for name in ("num_hidden_layers", "n_layers"):
        if isinstance(depth := checkpoint.config.get(name), int):
            return depth
    raise CheckpointError(f"config.json of '{checkpoint.id}' does not say how many layers it has.")


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences transformers' loading reports and bars: fresh heads are what we ask for."""
    from transformers.utils import logging as noise

    before = noise.get_verbosity()
    bars = noise.is_progress_bar_enabled()
    noise.set_verbosity(logging.CRITICAL)
    noise.disable_progress_bar()
    try:
        yield
    finally:
        noise.set_verbosity(before)
        if bars:
            noise.enable_progress_bar()


def load(auto: str, source: ModelSource, seed: int, **config: Any) -> tuple[Any, frozenset[str]]:
    """A model of transformers' class `auto` in float32, cut to the source's layers, in eval mode.

    Weights of the head (and pooler) that the checkpoint lacks are drawn under `seed`; their names are returned too.
    Raises CheckpointError, also where the encoder's own are missing.
    """
    import transformers
    from safetensors import SafetensorError

    with gc_paused(), quiet_transformers(), torch.random.fork_rng(devices=[]):  # imports the architecture
        torch.manual_seed(seed)
        try:
            model, info = getattr(transformers, auto).from_pretrained(
                source.checkpoint.path,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,  # left out, transformers would ask the user
                output_loading_info=True,
                ignore_mismatched_sizes=False,
                **config,
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(f"'{source.checkpoint.id}' can't be loaded as {auto}: {reason}") from None
    missing = frozenset(info["missing_keys"])
    lost = sorted(name for name in missing if name.startswith(f"{model.base_model_prefix}."))
    if encoder := [name for name in lost if ".pooler." not in name]:
        raise CheckpointError(
            f"'{source.checkpoint.id}' lacks {len(encoder)} weights of the encoder itself, such as {encoder[0]}.",
            hint="It was saved from another kind of model than its config.json says.",
        )
    if source.layers is not None:
        keep_layers(model, source.layers)
    return model.eval(), missing


def load_classifier(source: ModelSource, outputs: int, labels: tuple[str, ...], seed: int) -> Any:
    """A sequence classifier with `outputs` logits (1: regression); a fresh head is drawn under `seed`."""
    kinds = (
        {"problem_type": "regression"}
        if not labels
        else {
            "problem_type": "single_label_classification",
            "id2label": dict(enumerate(labels)),
            "label2id": {label: index for index, label in enumerate(labels)},
        }
    )
    model, _ = load("AutoModelForSequenceClassification", source, seed, num_labels=outputs, **kinds)
    if source.layers is not None and source.checkpoint.classifies:
        _draw_head(model, seed)
    return model


def _draw_head(model: Any, seed: int) -> None:
    """Draws the head anew: what is left of a fine-tuned model's layers must not answer with its old head."""
    inside = set(model.base_model.modules())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in model.modules():
            if module not in inside and isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=getattr(model.config, "initializer_range", 0.02))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def keep_layers(model: Any, layers: tuple[int, ...]) -> None:
    """Cuts a model in place to the named encoder layers, in their order; its config then says so."""
    depth = model.config.num_hidden_layers
    stacks = [
        (owner, name, stack)
        for owner in model.modules()
        for name, stack in owner.named_children()
        if isinstance(stack, nn.ModuleList) and len(stack) == depth
    ]
    if len(stacks) != 1:
        raise CheckpointError(
            f"can't tell which part of {type(model).__name__} are its {depth} layers: name a student checkpoint."
        )
    owner, name, stack = stacks[0]
    setattr(owner, name, nn.ModuleList([stack[index] for index in layers]))
    model.config.num_hidden_layers = len(layers)


def text_inputs(model: Any, mask: Tensor, types: Tensor | None) -> dict[str, Tensor]:
    """What a model takes besides ids or embeddings: the attention mask and, if it knows them, token types [B, L].

    Teacher and student may share a vocabulary and still differ in this (BERT and DistilBERT).
    """
    if types is None or not takes_types(model):
        return {"attention_mask": mask}
    return {"attention_mask": mask, "token_type_ids": types}


def takes_types(model: Any) -> bool:
    """Whether a model tells token types apart."""
    takes = "token_type_ids" in inspect.signature(type(model).forward).parameters
    return takes and (getattr(model.config, "type_vocab_size", 0) or 0) >= 2


def parameter_count(model: nn.Module) -> int:
    """Number of scalars in a model's parameters, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over a model's weights by name, as 64 hexadecimal digits."""
    import hashlib

    state = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        state.update(name.encode())
        state.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()
