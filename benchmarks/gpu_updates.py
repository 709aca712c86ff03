"""Measures an update at the sizes of the paper's presets: time, the GPU's share of it, synchronizations, memory.

The networks have random weights, which cost what trained ones do. Batches hold 32 texts of 64 tokens.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from minilm import session_of

METHODS = ("kd", "eda", "random-mask", "freelb", "matekd")
PRESETS = ("paper-bert", "paper-roberta")
TOKENIZER = "package:matekd_tasks/mini/checkpoint"  # any will do: only the number of tokens matters
BATCH, LENGTH = 32, 64
FIRST, TIMED, PROFILED = 3, 8, 3  # updates: before the clock starts, under the clock, under the profiler


@dataclass(frozen=True)
class Cost:
    """The cost of an update; everything but the time is known on a GPU only.

    `busy` is the seconds in which the GPU works, `waits` how often the CPU waits for it, `peak` the largest memory in
    bytes.
    """

    seconds: float
    busy: float | None = None
    waits: int | None = None
    peak: int | None = None

    def cells(self) -> list[str]:
        """The columns of the table."""
        return [
            f"{1e3 * self.seconds:.1f}",
            "-" if self.busy is None else f"{self.busy / self.seconds:.0%}",
            "-" if self.waits is None else str(self.waits),
            "-" if self.peak is None else f"{self.peak / 2**30:.1f}",
        ]


def configs(preset: str, *, small: bool) -> tuple[Any, Any, Any]:
    """Return the configurations of teacher, student and generator; `small` ones have hardly any weights."""
    import transformers as t

    if preset == "paper-bert":
        mini = t.BertConfig(
            hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024
        )
        found: tuple[Any, Any, Any] = (t.BertConfig(), t.DistilBertConfig(), mini)
    else:
        # Padding is 0, as the tokenizer has it.
        words: dict[str, Any] = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
        large = t.RobertaConfig(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096, pad_token_id=0,
            **words,
        )  # fmt: skip
        base, generator = (t.RobertaConfig(num_hidden_layers=6, pad_token_id=0, **words) for _ in range(2))
        found = (large, base, generator)
    for config in found if small else ():
        config.update({"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2})
        config.update({"hidden_dim" if config.model_type == "distilbert" else "intermediate_size": 64})
    return found


def parts_at(preset: str, device: Any, *, small: bool) -> Any:
    """Return what a method works with at a preset's sizes; the teacher's cached answers are made up."""
    import torch
    import transformers as t

    from matekd_bench.distill.data.corpus import Corpus
    from matekd_bench.distill.device import resolve_precision
    from matekd_bench.distill.models.checkpoints import find_checkpoint
    from matekd_bench.distill.models.masked_lm import MaskedRowsLM
    from matekd_bench.distill.models.tokenizers import Encoder
    from matekd_bench.distill.training.frozen_weights import hold_in_precision
    from matekd_bench.distill.training.session import SessionParts
    from matekd_bench.plugins.host import Host

    encoder = Encoder(find_checkpoint(TOKENIZER, None), LENGTH)
    texts = [("film " * (LENGTH - 2),)] * BATCH
    rows, uids = encoder(texts), tuple(map(str, range(BATCH)))
    answers, precision = torch.randn(BATCH, 2), resolve_precision("auto", device)
    teacher_config, student_config, generator_config = configs(preset, small=small)
    with torch.device(device):
        teacher, student = (
            t.AutoModelForSequenceClassification.from_config(config)
            for config in (teacher_config, student_config)
        )
    hold_in_precision(teacher.eval().requires_grad_(False), precision if device.type == "cuda" else "float32")
    return SessionParts(
        task=Host.load(only_builtin=True).task("rte").record, teacher=teacher, student=student,
        corpus=Corpus(uids, texts, rows, torch.arange(BATCH) % 2, encoder.tokens.pad, answers),
        student_encoder=encoder, teacher_encoder=None, device=device, precision=precision,
        generator=lambda: MaskedRowsLM(t.AutoModelForMaskedLM.from_config(generator_config)).train(),
    )  # fmt: skip


def measure(trainer: Any, batches: Sequence[Any], device: Any) -> Cost:
    """Return the mean cost of the later updates of `batches`."""
    import torch

    gpu = device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats(device)
    updates = iter(batches)
    for _ in range(FIRST):
        trainer.update(next(updates))
    if gpu:
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    for _ in range(TIMED):
        trainer.update(next(updates))
    if gpu:
        torch.cuda.synchronize(device)
    seconds = (time.perf_counter() - started) / TIMED
    if not gpu:
        return Cost(seconds)
    peak = torch.cuda.max_memory_allocated(device)  # before the profiler, which takes memory too
    waits = _synchronizations(trainer, next(updates))
    return Cost(seconds, _busy_seconds(trainer, list(updates)), waits, peak)


def _synchronizations(trainer: Any, batch: Any) -> int:
    """Count the operations of an update for which the CPU waits for the GPU, as torch reports them."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            trainer.update(batch)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def _busy_seconds(trainer: Any, batches: Sequence[Any]) -> float:
    """Return the seconds of an update in which the GPU works: the time of its kernels, which run one by one."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for batch in batches:
            trainer.update(batch)
        torch.cuda.synchronize()
    microseconds: float = sum(event.self_device_time_total for event in profile.key_averages())
    return microseconds / 1e6 / len(batches)


def costs(preset: str, device: Any, *, small: bool) -> Iterator[tuple[str, str, Cost]]:
    """Yield method, phase and cost of each kind of update."""
    for method in METHODS:
        yield from _costs_of(method, preset, device, small=small)
        gc.collect()  # the next method's memory is measured without these networks


def _costs_of(method: str, preset: str, device: Any, *, small: bool) -> list[tuple[str, str, Cost]]:
    """Return method, phase and cost of each kind of update that a method makes."""
    from matekd_bench.distill.device import contained_randomness
    from matekd_bench.distill.settings import Optimizer
    from matekd_bench.plugins.host import Host

    record = Host.load(only_builtin=True).method(method).record
    params, found = record.params(**({"thesaurus": "embedded"} if method == "eda" else {})), []
    with contained_randomness(device):
        parts = parts_at(preset, device, small=small)
        session = session_of(record, params, method, parts, Optimizer(lr=1e-5, batch_size=BATCH))
        for phase in ("student", "own") if session.method.cycle else ("student",):
            batches = [
                session.batch(range(BATCH), update=update, phase=phase)
                for update in range(1, FIRST + TIMED + PROFILED + 2)
            ]
            found.append((method, phase, measure(session.trainer, batches, device)))
    return found
