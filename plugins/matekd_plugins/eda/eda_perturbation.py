"""The method `eda`: its parameters, and one random operation per text."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from matekd_bench import Params, Range, TextPerturbation
from matekd_plugins.eda.official import OfficialOperations
from matekd_plugins.eda.operations import Operation, Operations
from matekd_plugins.eda.synonym_files import check_choice
from matekd_plugins.eda.thesaurus import load

if TYPE_CHECKING:
    from matekd_bench import Context, Synonyms

Alpha = Field(default=None, gt=0, le=1)


class EDAParams(Params):
    """Parameters of `eda`; names and defaults follow the paper's section 2."""

    alpha: float = Field(default=0.1, gt=0, le=1)
    """Strength: max(1, floor(alpha * words)) edits; deletion drops each word with probability alpha."""
    alpha_sr: float | None = Alpha
    """Strength of synonym replacement, in place of alpha."""
    alpha_ri: float | None = Alpha
    """Strength of random insertion, in place of alpha."""
    alpha_rs: float | None = Alpha
    """Strength of random swap, in place of alpha."""
    alpha_rd: float | None = Alpha
    """Probability of deleting a word, in place of alpha."""
    num_aug: int = Field(default=1, ge=1, le=64)
    """Number of perturbed versions of each example in each epoch, each with its own operation."""
    variant: Literal["fixed", "official"] = "fixed"
    """fixed: case, digits and punctuation are kept; official: the behavior of the released script."""
    segments: Literal["both", "first", "second"] = "both"
    """Which segments of a text pair are perturbed, each on its own."""
    synonym: bool = True
    """Include synonym replacement."""
    insert: bool = True
    """Include random insertion."""
    swap: bool = True
    """Include random swap."""
    delete: bool = True
    """Include random deletion."""
    thesaurus: Annotated[str, AfterValidator(check_choice)] = "auto"
    """Source of synonyms: wordnet, embedded, auto (WordNet if NLTK finds it, else the small embedded thesaurus),
    mini (for mini-GLUE), a thesaurus of another plugin, or a file of synonym groups as a path or package:NAME/PATH."""

    @model_validator(mode="after")
    def _at_least_one_operation(self) -> EDAParams:
        if not (self.synonym or self.insert or self.swap or self.delete):
            raise ValueError("at least one of synonym, insert, swap and delete must be true")
        return self


class EDA(TextPerturbation[EDAParams]):
    """EDA: one operation on the words of a text, drawn uniformly among the enabled ones (Wei and Zou 2019).

    Deviations from the paper: views are drawn on the fly and labeled by the teacher, not added to the data set once
    with gold labels. `num_aug` views draw their operations independently, not in equal shares.
    """

    name = "eda"
    summary = "Easy Data Augmentation: one random edit of words (synonym, insertion, swap, deletion)."
    level = "text"
    version = "1"
    needs = frozenset({"thesaurus"})
    search = {"alpha": Range(0.05, 0.5, log=True)}
    citation = "Wei and Zou, EMNLP-IJCNLP 2019, arXiv:1901.11196"

    def __init__(self, params: EDAParams, context: Context) -> None:
        super().__init__(params, context)
        self.variants = params.num_aug
        self.segments = params.segments
        self._thesaurus = thesaurus = _thesaurus(params)
        self._operations = (
            Operations(thesaurus) if params.variant == "fixed" else OfficialOperations(thesaurus)
        )
        self._enabled = _enabled(params, self._operations)

    @classmethod
    def resources(cls, params: EDAParams) -> dict[str, str]:
        """Name the thesaurus in use, with a digest; empty if no enabled operation needs one."""
        thesaurus = _thesaurus(params)
        return {"thesaurus": thesaurus.name} if thesaurus else {}

    @classmethod
    def check_rows(cls, params: EDAParams, rows: Mapping[str, tuple[str, ...]]) -> Sequence[str]:
        """Tell the user if the embedded thesaurus replaces WordNet."""
        thesaurus = _thesaurus(params)
        return thesaurus.notices if thesaurus else ()

    def prepare(self, texts: Sequence[str]) -> None:
        """Look up every word of the training texts, so that perturbing never waits for the thesaurus."""
        if self._thesaurus:
            for text in texts:
                self._operations.look_up(text)

    def perturb(self, text: str, rng: random.Random) -> str:
        """Apply one operation to `text`; return it unchanged if the operation finds nothing to edit."""
        # All choices use `rng.random()`, the only generator method whose sequence Python guarantees.
        words = self._operations.split(text)
        if not words:
            return text
        operation, alpha = self._enabled[int(rng.random() * len(self._enabled))]
        return self._operations.join(operation(words, alpha, rng), text)


def _thesaurus(params: EDAParams) -> Synonyms | None:
    """Load the thesaurus; None if no enabled operation needs one."""
    return load(params.thesaurus) if params.synonym or params.insert else None


def _enabled(params: EDAParams, operations: Operations) -> list[tuple[Operation, float]]:
    """Return the enabled operations, each with its strength."""
    operations_by_switch = [
        (params.synonym, operations.replace, params.alpha_sr),
        (params.insert, operations.insert, params.alpha_ri),
        (params.swap, operations.swap, params.alpha_rs),
        (params.delete, operations.delete, params.alpha_rd),
    ]
    return [
        (operation, alpha or params.alpha) for enabled, operation, alpha in operations_by_switch if enabled
    ]
