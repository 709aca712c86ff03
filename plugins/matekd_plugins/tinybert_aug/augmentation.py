"""The method `tinybert-aug`: perturbed versions of a text, made from the candidates of its words."""

from __future__ import annotations

import random
from collections.abc import Sequence

from matekd_bench import Context, TextPerturbation, seed_of
from matekd_plugins.eda.operations import pick
from matekd_plugins.tinybert_aug import TinyBertAugParams
from matekd_plugins.tinybert_aug.candidates import Candidates, Slot

# N_a by task in the released code; the paper has 20 for every task.
VERSIONS = {"cola": 30, "mnli": 10, "mrpc": 30, "sst2": 20, "qqp": 10, "qnli": 20, "rte": 30, "stsb": 30}
DEFAULT_VERSIONS = 20
NOTICE = (
    "tinybert-aug asks the generator, before the first update, about each word of the texts that it perturbs."
)


class TinyBertAug(TextPerturbation[TinyBertAugParams]):
    """TinyBERT's augmentation: each word with candidates is replaced by one of them with probability `replace_rate`.

    A text has `versions` perturbed versions, the same under every seed of the study, like a data set made once.
    Deviation from the paper, which trains on the enlarged data set: each example shows one version an epoch.
    """

    notices = (NOTICE,)

    def __init__(self, params: TinyBertAugParams, context: Context) -> None:
        super().__init__(params, context)
        self.segments = params.segments
        self.versions = params.versions or VERSIONS.get(
            context.task.name.removeprefix("mini-"), DEFAULT_VERSIONS
        )
        self._candidates = Candidates(context, params.candidates)
        self._slots: dict[str, tuple[Slot, ...]] = {}

    def prepare(self, texts: Sequence[str]) -> None:
        """Predict the candidates of every word of the texts."""
        for text in texts:
            if text not in self._slots:
                self._slots[text] = self._candidates.find(text)

    def perturb(self, text: str, rng: random.Random) -> str:
        """Return one of the versions of `text`; a version may equal the text."""
        if text not in self._slots:
            self.prepare([text])
        version = int(rng.random() * self.versions)
        # Seeded by text and version alone, so that a version is the same under every seed of the study.
        version_rng = random.Random(seed_of("tinybert-aug", text, version))
        parts, copied = [], 0  # `text` is copied up to character `copied`
        for slot in self._slots[text]:
            # Both draws are made for every word, so that replacing one does not change the draws of the next.
            candidate = pick(slot.words, version_rng)
            if version_rng.random() < self.params.replace_rate:
                parts += [text[copied : slot.start], candidate]
                copied = slot.stop
        return "".join([*parts, text[copied:]])
