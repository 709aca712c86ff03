"""Makes the tiny pretrained checkpoint from which mini-GLUE's teacher, student and generator are taken.

``python -m matekd_tasks.mini.pretrain FOLDER`` trains a BERT of 4 layers and width 128 on the text and the exercises
of `corpus`. It has three objectives:

- masked language modeling (Devlin et al. 2019);
- the classifications and regressions of the exercises, from the pooled first position;
- for every token of a pair, whether the other segment has the same word or a synonym of it.

Without the third objective, the model does not learn to compare two segments within thousands of updates: the one bit
of an exercise carries too little information about which words to compare. The heads of the second and third are not
saved. No name of the tasks occurs in the text.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from matekd_bench import seed_of
from matekd_tasks.mini.corpus import EXERCISES, exercises, sentences, word_list
from matekd_tasks.mini.thesaurus import groups
from matekd_tasks.mini.vocabulary import namesakes

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, MASK = SPECIAL.index("[PAD]"), SPECIAL.index("[MASK]")
LAYERS, WIDTH, HEADS, LENGTH = 4, 128, 4, 128
EARLY = 2  # the generator ends after this layer, so the vocabulary head is also trained on it
READ = (EARLY, LAYERS)
DROPOUT = 0.0  # each text is seen a few times at most, in pretraining and in fine-tuning on the tasks
EASY = frozenset(
    {"attitude", "acceptable"}
)  # learned within the first thousand updates, so drawn half as often


@dataclass(frozen=True)
class PretrainingRecipe:
    """The settings of pretraining; `masked` is the share of tokens to predict."""

    updates: int = 9000
    batch: int = 64
    passages_batch: int = 32
    rate: float = 2e-3
    warm_up: float = 0.05
    masked: float = 0.2
    passages: int = 120_000
    exercises: int = 240_000
    seed: int = 1


@dataclass(frozen=True)
class EncodedTexts:
    """Padded token ids and segment types [N, L], with targets [N] or None."""

    ids: Tensor
    types: Tensor
    targets: Tensor | None = None

    def draw(self, rng: torch.Generator, batch: int) -> tuple[dict[str, Tensor], Tensor | None]:
        """Draw rows at random; return the model's inputs, cut to the longest of these rows, and the targets."""
        rows = torch.randint(len(self.ids), (batch,), generator=rng)
        ids = self.ids[rows]
        ids = ids[:, : int((ids != PAD).sum(dim=1).max())]
        inputs = {"input_ids": ids, "attention_mask": (ids != PAD).long()}
        inputs["token_type_ids"] = self.types[rows, : ids.shape[1]]
        return inputs, None if self.targets is None else self.targets[rows]


def make_tokenizer() -> Any:
    """Return a lower-casing WordPiece tokenizer: the lexicon's words are tokens, other words are spelled by letter."""
    from transformers import BertTokenizer

    letters = string.ascii_lowercase + string.digits
    letter_pieces = (*letters, *(f"##{letter}" for letter in letters))
    pieces = (*SPECIAL, *string.punctuation, *sorted({word.lower() for word in word_list()}), *letter_pieces)
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return BertTokenizer(vocab=vocabulary, model_max_length=LENGTH)


def make_model(size: int) -> Any:
    """Return a newly initialized encoder with pooler and vocabulary head; `size` is the vocabulary size."""
    from transformers import BertConfig, BertForPreTraining

    config = BertConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=DROPOUT,
        attention_probs_dropout_prob=DROPOUT,
    )
    return BertForPreTraining(config)


def encode(
    tokenizer: Any, texts: Iterable[tuple[str, ...]], targets: Iterable[float] | None = None
) -> EncodedTexts:
    """Return the texts, each of one or two segments, as token ids."""
    rows = [tokenizer(*row, truncation=True, max_length=LENGTH) for row in texts]
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), width), PAD)
    types = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        types[number, : len(row["input_ids"])] = torch.tensor(row["token_type_ids"])
    return EncodedTexts(ids, types, None if targets is None else torch.tensor(list(targets)))


def read_exercises(tokenizer: Any, recipe: PretrainingRecipe) -> dict[str, EncodedTexts]:
    """Return the encoded exercises of each skill, by name."""
    by_name: dict[str, list[tuple[tuple[str, ...], float]]] = {name: [] for name in EXERCISES}
    for exercise in exercises(recipe.exercises, recipe.seed):
        by_name[exercise.name].append((exercise.texts, exercise.target))
    return {
        name: encode(tokenizer, (texts for texts, _ in rows), (target for _, target in rows))
        for name, rows in by_name.items()
    }


def senses(tokenizer: Any) -> Tensor:
    """Return a number [V] for each token id, which is the same for synonyms."""
    numbers = torch.arange(len(tokenizer))
    for group in groups():
        ids = tokenizer.convert_tokens_to_ids([word for word in group if word in tokenizer.get_vocab()])
        numbers[ids] = min(ids)
    return numbers


def occurs_across(inputs: dict[str, Tensor], senses: Tensor) -> tuple[Tensor, Tensor]:
    """Return two masks [B, L]: tokens with a synonym in the other segment, and tokens that are words.

    A token counts as its own synonym. `senses` [V] comes from :func:`senses`.
    """
    ids, types = inputs["input_ids"], inputs["token_type_ids"]
    sense = senses[ids]
    words = ids >= len(SPECIAL)
    across = (types[:, :, None] != types[:, None, :]) & words[:, None, :]
    return (across & (sense[:, :, None] == sense[:, None, :])).any(dim=2), words


class Pretraining(nn.Module):
    """The model with its losses, a linear head per exercise, and one for matching words per layer of `READ`."""

    def __init__(self, model: Any, outputs: Mapping[str, int], senses: Tensor) -> None:
        super().__init__()
        self.model = model
        self.senses = senses
        self.matches = nn.ModuleList([nn.Linear(WIDTH, 1) for _ in READ])
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, count) for name, count in outputs.items()})

    def masked_lm(self, inputs: dict[str, Tensor], share: float, rng: torch.Generator) -> Tensor:
        """Return the cross-entropy at masked positions: of the last layer, plus half of that of the early layer."""
        ids = inputs["input_ids"]
        chosen = (torch.rand(ids.shape, generator=rng) < share) & (ids >= len(SPECIAL))
        # A tenth of the positions keep their token, so that the encoder also works on text without masks.
        masked_ids = torch.where(chosen & (torch.rand(ids.shape, generator=rng) < 0.9), MASK, ids)
        states = self.model.bert(
            **{**inputs, "input_ids": masked_ids}, output_hidden_states=True
        ).hidden_states
        losses = [
            F.cross_entropy(self.model.cls.predictions(states[layer][chosen]), ids[chosen]) for layer in READ
        ]
        return losses[0] / 2 + losses[1]

    def exercise(self, name: str, inputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        """Return the loss of an exercise: cross-entropy, or squared error for a regression.

        For pairs the losses of matching words at each layer of `READ` are added.
        """
        encoded = self.model.bert(**inputs, output_hidden_states=True)
        output = self.heads[name](encoded.pooler_output)
        if output.shape[1] == 1:
            loss = F.mse_loss(output.squeeze(1), targets.float())
        else:
            loss = F.cross_entropy(output, targets.long())
        if not inputs["token_type_ids"].any():
            return loss
        matches, words = occurs_across(inputs, self.senses)
        for layer, head in zip(READ, self.matches, strict=True):
            logits = head(encoded.hidden_states[layer]).squeeze(2)
            loss = loss + F.binary_cross_entropy_with_logits(logits[words], matches[words].float())
        return loss


def train(recipe: PretrainingRecipe, report: Any = print) -> tuple[Any, Any, dict[str, float]]:
    """Train with the recipe; return model, tokenizer and scores on rows that were not used for training."""
    torch.manual_seed(seed_of(recipe.seed, "mini-pretraining"))
    rng = torch.Generator().manual_seed(seed_of(recipe.seed, "mini-batches"))
    tokenizer = make_tokenizer()
    passages = encode(tokenizer, ((text,) for text in sentences(recipe.passages, recipe.seed)))
    drills = read_exercises(tokenizer, recipe)
    network = Pretraining(make_model(len(tokenizer)), EXERCISES, senses(tokenizer)).train()
    optimizer, schedule = _optimizer(network, recipe)
    order = random.Random(seed_of(recipe.seed, "mini-order"))
    weighted_names = [name for name in sorted(drills) for _ in range(1 if name in EASY else 2)]
    started = time.perf_counter()
    for update in range(1, recipe.updates + 1):
        name = order.choice(weighted_names)
        inputs, targets = drills[name].draw(rng, recipe.batch)
        # Masked language modeling alternates between passages and the texts of exercises.
        text = passages if update % 2 else drills[order.choice(sorted(drills))]
        loss = network.masked_lm(text.draw(rng, recipe.passages_batch)[0], recipe.masked, rng)
        if targets is not None:
            loss = loss + network.exercise(name, inputs, targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if update % 500 == 0 or update == recipe.updates:
            report(
                f"{update} of {recipe.updates} updates, {time.perf_counter() - started:.0f} s: {loss.item():.3f}"
            )
    return network.model, tokenizer, evaluate(network, tokenizer, recipe)


def _optimizer(network: nn.Module, recipe: PretrainingRecipe) -> tuple[torch.optim.Optimizer, Any]:
    """Return AdamW and its schedule: linear warm-up, then linear decay to 0."""
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    ramp = max(1, round(recipe.warm_up * recipe.updates))

    def factor(update: int) -> float:
        return min((update + 1) / ramp, (recipe.updates - update) / (recipe.updates - ramp))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@torch.no_grad()
def evaluate(network: Pretraining, tokenizer: Any, recipe: PretrainingRecipe) -> dict[str, float]:
    """Return the accuracy (regression: correlation) of each exercise and of masked tokens, on text of another seed."""
    fresh = PretrainingRecipe(passages=512, exercises=256 * len(EXERCISES), seed=recipe.seed + 1)
    network.eval()
    scores = {}
    for name, drill in read_exercises(tokenizer, fresh).items():
        inputs = {
            "input_ids": drill.ids,
            "attention_mask": (drill.ids != PAD).long(),
            "token_type_ids": drill.types,
        }
        output, targets = network.heads[name](network.model.bert(**inputs).pooler_output), drill.targets
        if targets is not None:
            scores[name] = round(_score(output, targets), 3)
    rng = torch.Generator().manual_seed(0)
    passages = encode(tokenizer, ((text,) for text in sentences(fresh.passages, fresh.seed)))
    inputs, _ = passages.draw(rng, fresh.passages)
    ids = inputs["input_ids"]
    chosen = (torch.rand(ids.shape, generator=rng) < recipe.masked) & (ids >= len(SPECIAL))
    states = network.model.bert(
        **{**inputs, "input_ids": torch.where(chosen, MASK, ids)}, output_hidden_states=True
    ).hidden_states
    for layer in READ:
        predicted = network.model.cls.predictions(states[layer][chosen]).argmax(1)
        scores[f"masked tokens, layer {layer}"] = round((predicted == ids[chosen]).double().mean().item(), 3)
    network.train()
    return scores


def _score(output: Tensor, targets: Tensor) -> float:
    """Return the correlation for one output column, else the accuracy."""
    if output.shape[1] == 1:
        return torch.corrcoef(torch.stack([output.squeeze(1), targets.float()]))[0, 1].item()
    return (output.argmax(1) == targets).double().mean().item()


@torch.no_grad()
def name_the_strangers(model: Any, tokenizer: Any) -> None:
    """Give each name in the tasks the embedding of its namesake in the corpus.

    The corpus has no name of the tasks, so their embeddings are untrained. Without trained ones the model could not
    learn who did what to whom. The checkpoint still knows nothing of the tasks' texts.
    """
    embeddings = model.bert.embeddings.word_embeddings.weight
    bias = model.cls.predictions.bias
    for name, namesake in namesakes().items():
        target, source = tokenizer.convert_tokens_to_ids([name, namesake])
        embeddings[target], bias[target] = embeddings[source], bias[source]


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write the checkpoint in half precision, as a masked language model that also has a pooler."""
    from safetensors.torch import save_file

    weights = {name: value for name, value in model.state_dict().items() if _kept(name)}
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.config.architectures = ["BertForMaskedLM"]
    model.config.save_pretrained(folder)
    halves = {name: value.half().contiguous() for name, value in sorted(weights.items())}
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})


def _kept(name: str) -> bool:
    """Return True for weights to save: not the next-sentence head, nor weights tied to the word embeddings."""
    return not name.startswith(("cls.seq_relationship", "cls.predictions.decoder"))


def _lines(recipe: PretrainingRecipe, scores: dict[str, float]) -> Iterator[str]:
    """Yield the content of ``made.json``."""
    yield json.dumps({"recipe": asdict(recipe), "scores": scores}, indent=1)


def main() -> None:
    """Read the command line, train, and save the checkpoint."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--updates", type=int, default=PretrainingRecipe.updates)
    parser.add_argument("--seed", type=int, default=PretrainingRecipe.seed)
    options = parser.parse_args()
    recipe = PretrainingRecipe(updates=options.updates, seed=options.seed)
    model, tokenizer, scores = train(recipe, partial(print, flush=True))
    name_the_strangers(model, tokenizer)
    save(model, tokenizer, options.folder)
    (options.folder / "made.json").write_text("\n".join(_lines(recipe, scores)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
