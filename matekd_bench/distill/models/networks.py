"""Load networks, cut them to some layers, and identify their weights."""

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
from matekd_bench.distill.models.score_units import use_score_head
from matekd_bench.errors import CheckpointError, UsageError, first_line
from matekd_bench.gc_pause import gc_paused

LAYERS = re.compile(r"layers:(\d+(?:,\d+)*)")


@dataclass(frozen=True)
class ModelSource:
    """The origin of a student or generator: a checkpoint and, if the model is cut, the layers that are kept."""

    checkpoint: Checkpoint
    layers: tuple[int, ...] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The part that enters a run's identity: content and layers, not the path."""
        return {"sha256": self.checkpoint.sha256, "layers": list(self.layers) if self.layers else None}

    @property
    def name(self) -> str:
        """The name for tables, such as `ID[layers:0,2]`."""
        if self.layers is None:
            return self.checkpoint.id
        return f"{self.checkpoint.id}[layers:{','.join(map(str, self.layers))}]"


def parse_layers(reference: str, checkpoint: Checkpoint) -> tuple[int, ...]:
    """Parse `layers:0,1,3,5`, or `layers:3` for the first three, into sorted layer numbers.

    Raises UsageError for another form, a layer that does not exist, or one named twice.
    """
    match = LAYERS.fullmatch(reference)
    if not match:
        raise UsageError(
            f"'{reference}' is no choice of layers: write layers:0,1,3,5 or layers:3 (the first three)."
        )
    depth = count_layers(checkpoint)
    numbers = [int(part) for part in match.group(1).split(",")]
    if len(numbers) == 1:
        numbers = list(range(numbers[0]))
    if not numbers or max(numbers) >= depth or len(set(numbers)) != len(numbers):
        raise UsageError(
            f"'{reference}' does not fit '{checkpoint.id}': it has {depth} layers, 0 to {depth - 1}; name each once."
        )
    return tuple(sorted(numbers))


def count_layers(checkpoint: Checkpoint) -> int:
    """Return the number of encoder layers from a checkpoint's config. Raises CheckpointError if it has none."""
    for name in ("num_hidden_layers", "n_layers"):
        if isinstance(depth := checkpoint.config.get(name), int):
            return depth
    raise CheckpointError(f"config.json of '{checkpoint.id}' does not say how many layers it has.")


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' loading reports and progress bars; a fresh head, which they warn of, is intended."""
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def load_model(auto: str, source: ModelSource, seed: int, **config: Any) -> tuple[Any, frozenset[str]]:
    """Load a model with transformers' class `auto` in float32, cut to the source's layers, in eval mode.

    Weights that the checkpoint lacks, such as those of a head, are drawn under `seed`. Their names are returned too.
    Raises CheckpointError if the model cannot be loaded or weights of the encoder itself are missing.
    """
    import transformers
    from safetensors import SafetensorError

    # gc_paused: loading imports the architecture's modules. fork_rng gives the global generator its state back; only
    # the CPU's is used, because the model is loaded there.
    with gc_paused(), quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model, info = getattr(transformers, auto).from_pretrained(
                source.checkpoint.path,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,  # without it, transformers would ask the user
                output_loading_info=True,
                ignore_mismatched_sizes=False,
                **config,
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            reason = first_line(error)
            raise CheckpointError(f"'{source.checkpoint.id}' can't be loaded as {auto}: {reason}") from None
    missing = frozenset(info["missing_keys"])
    in_base = sorted(name for name in missing if name.startswith(f"{model.base_model_prefix}."))
    # A checkpoint that was saved with another head may lack the pooler.
    if encoder := [name for name in in_base if ".pooler." not in name]:
        raise CheckpointError(
            f"'{source.checkpoint.id}' lacks {len(encoder)} weights of the encoder itself, such as {encoder[0]}.",
            hint="It was saved from another kind of model than its config.json says.",
        )
    if source.layers is not None:
        keep_layers(model, source.layers)
    return model.eval(), missing


def load_classifier(source: ModelSource, outputs: int, labels: tuple[str, ...], seed: int) -> Any:
    """Load a sequence classifier with `outputs` logits (1 for regression).

    A head that the checkpoint lacks is drawn under `seed`, and so is the head of a fine-tuned model cut to some layers.
    """
    config = (
        {"problem_type": "regression"}
        if not labels
        else {
            "problem_type": "single_label_classification",
            "id2label": dict(enumerate(labels)),
            "label2id": {label: index for index, label in enumerate(labels)},
        }
    )
    model, _ = load_model("AutoModelForSequenceClassification", source, seed, num_labels=outputs, **config)
    if source.layers is not None and source.checkpoint.classifies:
        _draw_head(model, seed)
    if not labels:
        use_score_head(model)
    return model


def _draw_head(model: Any, seed: int) -> None:
    """Draw a new head under `seed`, so that a cut fine-tuned model does not answer with its old head."""
    inside = set(model.base_model.modules())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in model.modules():
            if module not in inside and isinstance(module, nn.Linear):
                # as transformers draws it; 0.02 is BERT's initializer_range
                nn.init.normal_(module.weight, std=getattr(model.config, "initializer_range", 0.02))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def keep_layers(model: Any, layers: tuple[int, ...]) -> None:
    """Cut a model in place to the given encoder layers, in that order, and update its config.

    Raises CheckpointError unless the model has exactly one list of as many modules as its config has layers.
    """
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
    """Return a model's inputs besides ids or embeddings: attention mask and, if it takes them, token types [B, L].

    Teacher and student may share a vocabulary and still differ in token types (BERT and DistilBERT).
    """
    if types is None or not takes_token_types(model):
        return {"attention_mask": mask}
    return {"attention_mask": mask, "token_type_ids": types}


def takes_token_types(model: Any) -> bool:
    """Return True if a model distinguishes at least two token types."""
    takes = "token_type_ids" in inspect.signature(type(model).forward).parameters
    return takes and (getattr(model.config, "type_vocab_size", 0) or 0) >= 2


def parameter_count(model: nn.Module) -> int:
    """Count the scalars in a model's parameters; shared parameters count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def weights_digest(model: nn.Module) -> str:
    """Compute the SHA-256 of a model's weights in order of their names, as 64 hexadecimal digits."""
    import hashlib

    hasher = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        hasher.update(name.encode())
        # As bytes, because NumPy has no bfloat16. Flat, because a scalar cannot be viewed as bytes.
        hasher.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()
