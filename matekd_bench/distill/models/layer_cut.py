"""Keep some layers of a network: the choice `layers:0,2`, the depth of a checkpoint, and the cut itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from matekd_bench.distill.models.checkpoints import Checkpoint
from matekd_bench.errors import CheckpointError, UsageError

LAYERS = re.compile(r"layers:(\d+(?:,\d+)*)")
DEPTHS = ("num_hidden_layers", "n_layers")  # in config.json of the families whose planning must be quick
WIDTHS = ("hidden_size", "dim")
# Attributes in which a module stores its index among the layers, and a model its number of layers.
PLACES = ("layer_idx", "layer_id", "layer_index")
COUNTS = ("n_layers", "num_layers", "num_hidden_layers", "n_layer")
NO_LAYERS = "name a student checkpoint instead of layers"


def parse_layers(reference: str, checkpoint: Checkpoint) -> tuple[int, ...]:
    """Parse `layers:0,1,3,5`, or `layers:3` for the first three, into sorted layer numbers.

    Raises UsageError for another form, a layer that does not exist, or one named twice.
    """
    match = LAYERS.fullmatch(reference)
    if not match:
        raise UsageError(
            f"'{reference}' is not a choice of layers: write layers:0,1,3,5 or layers:3 (the first three)."
        )
    depth = count_layers(checkpoint)
    if depth is None:
        raise CheckpointError(
            f"config.json of '{checkpoint.id}' does not say how many layers it has.", hint=f"{NO_LAYERS}."
        )
    numbers = [int(part) for part in match.group(1).split(",")]
    if len(numbers) == 1:
        numbers = list(range(numbers[0]))
    if not numbers or max(numbers) >= depth or len(set(numbers)) != len(numbers):
        raise UsageError(
            f"'{reference}' does not fit '{checkpoint.id}': it has {depth} layers, numbered 0 to {depth - 1}; name "
            f"each at most once."
        )
    return tuple(sorted(numbers))


def count_layers(checkpoint: Checkpoint) -> int | None:
    """Return the number of layers from a checkpoint's config, None if that does not say."""
    return _whole_number(checkpoint, DEPTHS)


def hidden_width(checkpoint: Checkpoint) -> int | None:
    """Return the width of the hidden states from a checkpoint's config, None if that does not say."""
    return _whole_number(checkpoint, WIDTHS)


def vocabulary_size(checkpoint: Checkpoint) -> int | None:
    """Return the number of tokens in the vocabulary from a checkpoint's config, None if that does not say."""
    return _whole_number(checkpoint, ("vocab_size",))


def _whole_number(checkpoint: Checkpoint, names: Sequence[str]) -> int | None:
    """Return the first positive whole number of these names in config.json, else what transformers reads there.

    transformers knows what each family calls its fields (`n_layer`, `d_model`), but loading it takes a second.
    """
    values = [checkpoint.config.get(name) for name in names]
    if not any(map(_is_count, values)):
        values = [getattr(checkpoint.text_config(), names[0], None)]
    return next((value for value in values if _is_count(value)), None)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def keep_layers(model: Any, layers: tuple[int, ...]) -> None:
    """Cut a model in place to the given layers, in that order, and update its config.

    Lists of the config with an entry for each layer, such as `layer_types`, are cut as well, and the layers that remain
    are numbered again. Raises CheckpointError unless it is clear which modules are the layers.
    """
    config = model.config
    depth, family = config.num_hidden_layers, type(model).__name__
    owners = _owners_of_layers(model, depth)
    if len(owners) != 1 or getattr(config, "is_encoder_decoder", False):
        raise CheckpointError(f"can't tell which part of {family} contains its {depth} layers: {NO_LAYERS}.")
    [(owner, stacks)] = owners
    for name, stack in stacks.items():
        kept = nn.ModuleList([stack[index] for index in layers])
        setattr(owner, name, kept)
        _renumber(kept)
    for count in COUNTS:  # a loop in the model may use it
        if getattr(owner, count, None) == depth:
            setattr(owner, count, len(layers))
    try:
        _cut_config(config, layers, depth)
    except (NotImplementedError, ValueError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{family} can't be cut to {len(layers)} layers ({reason}): {NO_LAYERS}."
        ) from None


def _owners_of_layers(model: Any, depth: int) -> list[tuple[Any, Mapping[str, Any]]]:
    """Return the modules that own lists of `depth` modules, with these lists by name; none inside another's lists.

    XLM has several lists in one module: attentions, norms and feed-forward parts.
    """
    owners = list[tuple[Any, Mapping[str, Any]]]()
    inside = set[Any]()
    for owner in model.modules():  # outer modules come first
        stacks = {
            name: stack
            for name, stack in owner.named_children()
            if isinstance(stack, nn.ModuleList) and len(stack) == depth
        }
        if stacks and owner not in inside:
            owners.append((owner, stacks))
            inside.update(module for stack in stacks.values() for module in stack.modules())
    return owners


def _renumber(layers: nn.ModuleList) -> None:
    """Give every part of each layer its new index, by which it finds its cache and its kind of attention."""
    for index, layer in enumerate(layers):
        for module in layer.modules():
            for place in PLACES:
                if isinstance(getattr(module, place, None), int):
                    setattr(module, place, index)


def _cut_config(config: Any, layers: tuple[int, ...], depth: int) -> None:
    """Set the number of layers, and cut every list with an entry for each layer."""
    lists = {
        name: [value[index] for index in layers]
        for name, value in vars(config).items()
        if isinstance(value, (list, tuple)) and len(value) == depth and _is_by_layer(name)
    }
    if "attention_layers" in lists:  # GPT-Neo saves them as patterns with repetitions
        lists["attention_types"] = [[lists["attention_layers"], 1]]
    for name, value in lists.items():
        setattr(config, name, value)
    config.num_hidden_layers = len(layers)


def _is_by_layer(name: str) -> bool:
    """Return False for lists of other things, whose length may be the number of layers by chance."""
    return name != "architectures" and not name.endswith(("token_id", "token_ids"))
