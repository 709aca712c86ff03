"""`kd`: knowledge distillation on the clean text, the baseline that every method is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench import Batch, Models, NoParams, Perturbation, Views, hookimpl


class KD(Perturbation[NoParams]):
    """Plain distillation: ``(CE(x) + 2 D(x)) / 3`` with the study's default weights (Hinton et al. 2015)."""

    name = "kd"
    summary = "Baseline: knowledge distillation on the clean text, no perturbation."
    level = "none"
    version = "1"
    role = "baseline"
    citation = "Hinton, Vinyals, Dean 2015, Distilling the Knowledge in a Neural Network, arXiv 1503.02531"

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view with the full weight of labels and teacher."""
        # Deviations from the paper, both in the study's objective: D is KL instead of cross-entropy with soft
        # targets (same gradient), and the temperature is 1 by default.
        yield batch.clean


@hookimpl
def matekd_bench_methods() -> Iterator[type[KD]]:
    """Announce the method."""
    yield KD
