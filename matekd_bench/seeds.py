"""Seeds keyed by names, so that no random choice depends on what was drawn before it."""

from __future__ import annotations

import hashlib

SEED_BITS = 63  # torch.Generator and random.Random both take what fits a signed 64-bit integer

# Every text that enters a seed, besides names of tasks and ids of examples. They are data: with another spelling every
# number of the studies that use them moves, and nothing else would notice. That is why some of them, such as "own" for
# a phase of auxiliary updates, keep a name that the code has given up.
PURPOSES = {
    "init": "weights of a student's fresh head",
    "method-init": "modules that a method makes itself",
    "teacher-init": "weights of a teacher's fresh head",
    "generator-init": "weights of a generator's fresh head",
    "data-order": "order of the student's batches",
    "own-data-order": "order of the batches of auxiliary updates",
    "teacher-order": "order of the batches of a teacher's fine-tuning",
    "generator-order": "order of the batches of a generator's warm-up",
    "held-out": "rows and masks by which a generator's warm-up is judged",
    "generator-dropout": "dropout in a generator's warm-up",
    "dropout": "dropout of a forward pass, with the model's name, phase, update, first row and the view's number",
    "outside": "in place of phase and update, for a forward pass outside of any update",
    "student": "phase of the student's updates; name of the model in dropout",
    "own": "phase of auxiliary updates; default name of a method's own module in dropout",
    "teacher": "name of the model in dropout",
    "generator": "name of MATE-KD's module in dropout",
    "text/{variant}/{segment}": "a text method's draws for one version of one segment of a row",
    "mask": "positions that MATE-KD and its ablations mask",
    "gumbel": "tokens that a generator draws in its own step",
    "sample": "tokens that a generator draws for the student",
    "random-token": "tokens of `random-token`",
    "cutoff": "what `cutoff` erases",
    "mixup-partner": "order in which `mixup` takes partners",
    "mixup-share": "shares of `mixup`",
    "freelb": "first perturbation of `freelb`",
    "r3f": "noise of `r3f`",
    "smart": "noise of `smart`",
    "vat": "first direction of `vat`",
    "tinybert-aug": "replacements of `tinybert-aug`",
    "preview": "rows of a preview",
    "label-gate": "order of the examples on which a given teacher's label order is tested",
    "permutation": "permutations of two checkpoints' answers",
    "mini-glue": "texts of mini-GLUE",
    "mini-pretraining": "weights of mini-GLUE's checkpoint",
    "mini-batches": "masks of its pretraining",
    "mini-order": "order of its pretraining",
}


def seed_of(*parts: str | int) -> int:
    """Make a 63-bit seed of named parts, e.g. ``seed_of(3, "rte", "dropout", 17, 0)``.

    The parts are joined with their types, so ``seed_of("1")`` and ``seed_of(1)`` differ. The same on every
    machine and under every PYTHONHASHSEED. Raises TypeError for a part that is neither text nor a number.
    """
    text = []
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, (str, int)):
            raise TypeError(f"a seed is made of text and whole numbers, not {part!r}")
        text.append(f"s{len(part)}:{part}" if isinstance(part, str) else f"i{part}")
    hashed = hashlib.sha256("|".join(text).encode()).digest()
    return int.from_bytes(hashed[:8], "big") >> (64 - SEED_BITS)
