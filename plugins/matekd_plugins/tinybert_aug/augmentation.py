"""The method `tinybert-aug`: versions of a text, drawn from the candidates of its words."""

from __future__ import annotations

import random
from collections.abc import Sequence

from matekd_bench import Context, TextPerturbation, seed_of
from matekd_plugins.eda.operations import pick
from matekd_plugins.tinybert_aug import TinyBertAugParams
from matekd_plugins.tinybert_aug.candidates import Candidates, Slot

# N_a by task in the released code; the paper names 20 for all.
VERSIONS = {"cola": 30, "mnli": 10, "mrpc": 30, "sst2": 20, "qqp": 10, "qnli": 20, "rte": 30, "stsb": 30}
OTHERWISE = 20
NOTICE = "tinybert-aug asks the generator for each word of the training text before the first update: it takes a while."


class TinyBertAug(TextPerturbation[TinyBertAugParams]):
    """Each word with candidates is replaced by one of them, drawn uniformly, with probability `replace_rate`.

    There are `versions` perturbed versions of a text, as in the augmented data set of the paper, whatever the study's
    seed; each example and epoch draws one of them.
    """

    notices = (NOTICE,)

    def __init__(self, params: TinyBertAugParams, context: Context) -> None:
        super().__init__(params, context)
        self.segments = params.segments
        self.versions = params.versions or VERSIONS.get(context.task.name.removeprefix("mini-"), OTHERWISE)
        self._candidates = Candidates(context, params.candidates)
        self._slots: dict[str, tuple[Slot, ...]] = {}

    def prepare(self, texts: Sequence[str]) -> None:
        """Asks the generator for the candidates of every word of the training texts, in batches of similar length."""
        new = [text for text in dict.fromkeys(texts) if text not in self._slots]
        self._slots.update(self._candidates.find(new))

    def perturb(self, text: str, rng: random.Random) -> str:
        """One of the versions of `text`; the text itself where no word is replaced."""
        if text not in self._slots:
            self.prepare([text])
        version = int(rng.random() * self.versions)
        own = random.Random(seed_of("tinybert-aug", text, version))
        parts, done = [], 0
        for slot in self._slots[text]:
            candidate = pick(slot.words, own)
            if own.random() < self.params.replace_rate:
                parts += [text[done : slot.start], candidate]
                done = slot.stop
        return "".join([*parts, text[done:]])
