"""Load networks, with the head that a task needs, and identify their weights."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.distill.models.layer_cut import keep_layers
from matekd_bench.distill.models.model_inputs import read_last_token_by_mask, reads_last_token
from matekd_bench.distill.models.score_units import use_score_head
from matekd_bench.distill.models.tokenizers import tokens_of
from matekd_bench.errors import CheckpointError, first_line
from matekd_bench.gc_pause import gc_paused


@dataclass(frozen=True)
class ModelSource:
    """The origin of a student or generator: a checkpoint and, if the model is cut, the layers that are kept.

    `from_teacher`: the weights are those of the fine-tuned teacher, which has the checkpoint's form.
    """

    checkpoint: Checkpoint
    layers: tuple[int, ...] | None = None
    from_teacher: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """The part that enters a run's identity: content and layers, not the path."""
        start = {"start": "teacher"} if self.from_teacher else {}  # ids from before the setting stay the same
        return {
            "sha256": self.checkpoint.sha256,
            "layers": list(self.layers) if self.layers else None,
            **start,
        }

    @property
    def name(self) -> str:
        """The name for tables, such as `ID[layers:0,2]`."""
        if self.layers is None:
            return self.checkpoint.id
        teacher = "fine-tuned " if self.from_teacher else ""
        return f"{teacher}{self.checkpoint.id}[layers:{','.join(map(str, self.layers))}]"


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
    Weights of a head for another number of outputs count as missing. Raises CheckpointError if the model cannot be
    loaded or weights of the encoder itself are missing or of another size.
    """
    import transformers

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
                ignore_mismatched_sizes=True,
                **config,
            )
        except Exception as error:  # a config with wrong types makes each family fail in its own way
            reason = first_line(error)
            raise CheckpointError(f"'{source.checkpoint.id}' can't be loaded as {auto}: {reason}") from None
    _check_sizes(model, info["mismatched_keys"], source.checkpoint, auto)
    missing = frozenset(info["missing_keys"])
    in_base = sorted(name for name in missing if name.startswith(f"{model.base_model_prefix}."))
    # A checkpoint that was saved with another head may lack the pooler.
    if encoder := [name for name in in_base if ".pooler." not in name]:
        raise CheckpointError(
            f"'{source.checkpoint.id}' lacks {len(encoder)} weights of the encoder itself, such as {encoder[0]}.",
            hint="It was saved from a different kind of model than the one that its config.json names.",
        )
    if source.layers is not None:
        keep_layers(model, source.layers)
    return model.eval(), missing


def _check_sizes(model: Any, mismatched: Any, checkpoint: Checkpoint, auto: str) -> None:
    """Raise CheckpointError for weights of another size than config.json says, other than those of a classifier."""
    inside = {name for name, _ in model.base_model.named_parameters(prefix=model.base_model_prefix)}
    for name, saved, expected in sorted(mismatched, key=str):
        if name in inside or auto != "AutoModelForSequenceClassification":
            raise CheckpointError(
                f"'{checkpoint.id}' can't be loaded as {auto}: its weight {name} is {list(saved)}, but config.json "
                f"says {list(expected)}."
            )


def load_classifier(source: ModelSource, outputs: int, labels: tuple[str, ...], seed: int) -> Any:
    """Load a sequence classifier with `outputs` logits (1 for regression).

    A head that the checkpoint lacks, or has for another number of outputs, is drawn under `seed`. So is the head of a
    fine-tuned model cut to some layers, unless the source is the teacher of the task. A classifier that answers from a
    row's last token finds it by the mask.
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
    if source.layers is not None and source.checkpoint.classifies and not source.from_teacher:
        _draw_head(model, seed)
    if reads_last_token(model):
        # Without it transformers refuses batches, and the saved model would disagree with its tokenizer.
        model.config.get_text_config().pad_token_id = tokens_of(source.checkpoint).pad
        read_last_token_by_mask(model)
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
