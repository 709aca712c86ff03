"""`finetune`: the student trained on gold labels without a teacher, to show what distillation adds."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench import Batch, Context, Models, NoParams, Perturbation, UsageError, Views, hookimpl


class FineTune(Perturbation[NoParams]):
    """Plain fine-tuning: cross-entropy (regression: squared error) on the gold labels with weight 1, no teacher."""

    name = "finetune"
    summary = "Baseline: the student fine-tuned on gold labels, without the teacher."
    level = "none"
    version = "1"
    role = "baseline"

    def __init__(self, params: NoParams, context: Context) -> None:
        super().__init__(params, context)
        if not context.gold_weight:
            raise UsageError(
                "method 'finetune' learns only from gold labels, but their weight in this study is 0."
            )

    def views(self, batch: Batch, models: Models) -> Views:
        """Yield the clean view with weight 1 on the gold labels and 0 on the teacher."""
        # Dividing undoes the study's gold weight, since here the gold loss is the whole objective. By default the
        # loss is thus three times the gold term of other methods: AdamW hardly notices it, clipping does.
        yield batch.clean.weighted(gold=1.0 / self.context.gold_weight, soft=0.0)


@hookimpl
def matekd_bench_methods() -> Iterator[type[FineTune]]:
    """Announce the method."""
    yield FineTune
