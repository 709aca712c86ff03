"""Toy tasks, awkward texts and tiny models with random weights, all made offline."""

from __future__ import annotations

import atexit
import copy
import random
import string
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from matekd_bench.distill.models.checkpoints import Checkpoint, describe
from matekd_bench.distill.models.masked_lm import MaskedRowsLM, load_masked_lm
from matekd_bench.distill.models.networks import ModelSource, load_classifier, quiet_transformers
from matekd_bench.distill.models.tokenizers import Encoder
from matekd_bench.files.scratch import scratch_folder
from matekd_bench.tasks.task import Split, Task

Kind = Literal["single", "pairs", "regression"]
FIELDS = {"single": ("text",), "pairs": ("premise", "hypothesis"), "regression": ("first", "second")}
SENTENCE = """the a man woman dog cat child house car tree bird music plays sings runs eats sees walks sleeps good bad
great big small red blue old new film story movie very quite never always he she they what when where why . , ? ! ' -"""
WORDS = SENTENCE.split()
MAX_LENGTH = 32
LOUDER = 8  # factor on BERT's initial weights, so that logits differ between rows

AWKWARD = (
    *("", " ", ".", "a", "the the the the", "1 2 3 4", "2024", "?!?!", "don't", "never-ending"),
    *(
        "\t tabs\nand lines ",
        "👩‍🚀 🚀",
        "这是 一个 测试",
        "ab cd مرحبا",
        "[MASK] [SEP] in the text",
        "<s> </s>",
    ),
    *("x" * 300, "the big dog sees . " * 100),  # longer than MAX_LENGTH: one word, many words
)


def toy_task(kind: Kind) -> Task:
    """Make a task with two classes, or with scores from 0 to 5, on single texts or pairs."""
    scores = kind == "regression"
    return Task(
        name=f"contract-{kind}", title="Toy", summary="", kind="regression" if scores else "classification",
        fields=FIELDS[kind], labels=() if scores else ("bad", "good"), metrics=("pearson" if scores else "accuracy",),
        splits={"train": Split("", "", 32), "dev": Split("", "", 8)},
    )  # fmt: skip


def toy_texts(kind: Kind, rows: int = 32) -> list[tuple[str, ...]]:
    """Make random sentences of 2 to 11 known words, the same every time."""
    rng = random.Random(f"contract/{kind}")
    return [
        tuple(" ".join(rng.choices(WORDS, k=rng.randint(2, 11))) for _ in FIELDS[kind]) for _ in range(rows)
    ]


def awkward_texts(kind: Kind) -> list[tuple[str, ...]]:
    """Return every awkward text; in pairs, each with another one as second segment."""
    shifted = AWKWARD[5:] + AWKWARD[:5]  # so that an empty text meets a text that is not
    return [texts[: len(FIELDS[kind])] for texts in zip(AWKWARD, shifted, strict=True)]


@cache
def checkpoint(reverse: bool = False) -> Checkpoint:
    """Make a BERT of two tiny layers with random weights; with `reverse` its vocabulary is in another order."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = _folder() / ("reversed" if reverse else "plain")
    folder.mkdir(exist_ok=True)
    # single characters and their continuations, so that unknown words become pieces instead of [UNK]
    letters = [*string.ascii_lowercase, *(f"##{char}" for char in string.ascii_lowercase + string.digits)]
    words = [*WORDS, *letters, *string.digits, *"?<>[]/"]
    vocabulary = list(
        dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(words[:: -1 if reverse else 1])])
    )
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=2 * MAX_LENGTH,
    )  # fmt: skip
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return describe(folder, id="contract")


@cache
def _folder() -> Path:
    """Make the folder for the checkpoints, which is removed when the program ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(scratch_folder())


@cache
def encoder(*, reverse: bool = False) -> Encoder:
    """Make the encoder of the tiny checkpoint."""
    return Encoder(checkpoint(reverse), MAX_LENGTH)


def source(layers: Sequence[int] | None = None, reverse: bool = False) -> ModelSource:
    """Return the tiny checkpoint as a source, whole or cut to `layers`."""
    return ModelSource(checkpoint(reverse), None if layers is None else tuple(layers))


@cache
def _classifier(kind: Kind, layers: tuple[int, ...] | None, reverse: bool, seed: int) -> Any:
    task = toy_task(kind)
    return load_classifier(source(layers, reverse), task.outputs, task.labels, seed)


def student(kind: Kind, *, dropout: bool) -> Any:
    """Make a student of one layer, trainable, in float64."""
    return louder(_classifier(kind, (0,), False, 1), dropout)


def teacher(kind: Kind, *, reverse: bool = False) -> Any:
    """Return the teacher of two layers, frozen, in float64: one shared instance with its initial weights."""
    model, weights = _teacher(kind, reverse)
    model.load_state_dict(weights)  # a method may have changed the shared instance
    return model.requires_grad_(False).eval()


@cache
def _teacher(kind: Kind, reverse: bool) -> tuple[Any, dict[str, Tensor]]:
    model = louder(_classifier(kind, None, reverse, 2), dropout=False)
    return model, copy.deepcopy(model.state_dict())


@cache
def masked_lm() -> MaskedRowsLM:
    """Load the generator once; copy it before changing it."""
    return load_masked_lm(source(), 3)[0]


def generator(*, dropout: bool) -> nn.Module:
    """Make a masked language model with a random head, trainable, in float64."""
    module: nn.Module = louder(masked_lm(), dropout)
    return module.requires_grad_(True).train()


def louder(network: Any, dropout: bool) -> Any:
    """Return a copy in float64 with larger weights, without dropout unless `dropout`."""
    model = copy.deepcopy(network)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(LOUDER if weight.ndim > 1 else 1)  # matrices only, not biases and layer norms
    for module in model.modules():
        if isinstance(module, nn.Dropout) and not dropout:
            module.p = 0.0
    return model.to(torch.float64)
