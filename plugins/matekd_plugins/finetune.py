"""`finetune`: the student on gold labels alone, to show what distillation adds."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench import Batch, Context, Models, NoParams, Perturbation, UsageError, Views, hookimpl


class FineTune(Perturbation[NoParams]):
    """Cross-entropy (regression: squared error) on the gold labels with weight 1, no teacher."""

    name = "finetune"
    summary = "Baseline: the student fine-tuned on gold labels, without the teacher."
    level = "none"
    version = "1"
    role = "baseline"

    def __init__(self, params: NoParams, context: Context) -> None:
        super().__init__(params, context)
        if not context.gold_weight:
            raise UsageError(
                "method 'finetune' learns from gold labels alone, whose weight in this study is 0."
            )

    def views(self, batch: Batch, models: Models) -> Views:
        """The clean view; the study's weight on gold labels is undone, since here it is the whole objective."""
        yield batch.clean.weighted(gold=1.0 / self.context.gold_weight, soft=0.0)


@hookimpl
def matekd_bench_methods() -> Iterator[type[FineTune]]:
    """Announce the method."""
    yield FineTune
