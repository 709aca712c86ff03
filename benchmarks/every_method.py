"""Every method for a moment on real text: do all train, and what do they do to it?

``python benchmarks/every_method.py DIR --results DIR2`` trains all methods on RTE, MRPC, CoLA and STS-B of the GLUE
folder DIR, two seeds of 40 updates of 8 texts, as `every_method.toml` says; `tinybert-aug`, which asks its generator
for each word of the training text first, has 400 rows of it. Then it prints how runs ended, the means of what the
methods say of themselves, and how far `matekd` differs from `frozen-generator`: the mean difference over tasks and
seeds with its 95 % t interval. The same command goes on where it was; `--only-print` trains nothing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from matekd_bench.results.records.run_record import Record
from matekd_bench.results.stats.intervals import confidence_interval, variance_of_mean
from matekd_bench.results.store.collection import read_folders

STUDY = Path(__file__).with_name("every_method.toml")
SLOW = ("--methods", "tinybert-aug", "--limit-train", "400")
SHOWN = (
    *("words_changed", "tokens_changed", "texts_unchanged", "teacher_flip_rate"),
    *("divergence_clean", "divergence_perturbed", "generator_moved"),
)
COMPARED = ("tokens_changed", "teacher_flip_rate", "divergence_perturbed", "generator_moved")


def train(glue: Path, results: Path) -> None:
    """Trains what has no record yet; CalledProcessError where a run failed."""
    command = [sys.executable, "-m", "matekd_bench", "run", "--config", str(STUDY), "--glue-dir", str(glue)]
    for more in ((), SLOW):
        subprocess.run([*command, *more, "--results", str(results)], check=True, stdout=subprocess.DEVNULL)


def means(records: Sequence[Record]) -> Iterator[tuple[str, Counter[str], dict[str, float | None]]]:
    """By protocol and method: how its runs ended, and the mean of each diagnostic over the runs that have it."""
    for protocol, variant in sorted({(one.identity.protocol_id, one.identity.variant) for one in records}):
        place = protocol, variant
        runs = [one for one in records if (one.identity.protocol_id, one.identity.variant) == place]
        found = {
            name: [value for run in runs if (value := run.diagnostics.get(name)) is not None]
            for name in SHOWN
        }
        ended: Counter[str] = Counter(run.status for run in runs)
        yield variant, ended, {name: statistics.fmean(them) if them else None for name, them in found.items()}


def difference(
    records: Sequence[Record], name: str, variant: str, other: str
) -> tuple[float, float, float, int]:
    """Mean difference of a diagnostic between two variants over common tasks and seeds, its interval's ends, and n."""
    values: dict[tuple[object, ...], float] = {
        (one.identity.variant, one.identity.protocol_id, one.identity.task, one.identity.seed): value
        for one in records
        if (value := one.diagnostics.get(name)) is not None
    }
    apart = [
        value - values[other, *place]
        for (which, *place), value in sorted(values.items())
        if which == variant and (other, *place) in values
    ]
    mean = statistics.fmean(apart)
    interval = confidence_interval(mean, variance_of_mean(apart))
    return mean, interval.low, interval.high, len(apart)


def main() -> None:
    """Trains, then prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("glue", type=Path, metavar="DIR", help="a GLUE folder")
    parser.add_argument("--results", type=Path, required=True, metavar="DIR2")
    parser.add_argument("--only-print", action="store_true")
    given = parser.parse_args()
    if not given.only_print:
        train(given.glue, given.results)
    records = read_folders([given.results]).records
    print("| method | runs |", " | ".join(f"`{name}`" for name in SHOWN), "|")
    print("| --- | --- |" + " ---: |" * len(SHOWN))
    for variant, ended, found in means(records):
        runs = ", ".join(f"{count} {status}" for status, count in sorted(ended.items(), reverse=True))
        cells = ("" if (value := found[name]) is None else f"{value:.4f}" for name in SHOWN)
        print(f"| `{variant}` | {runs} |", " | ".join(cells), "|")
    for variant in sorted({one.identity.variant for one in records if one.identity.method == "matekd"}):
        print(f"\n{variant} less frozen-generator, 95 % interval:")
        for name in COMPARED:
            mean, low, high, n = difference(records, name, variant, "frozen-generator")
            print(f"- {name}: {mean:+.4f} ({low:+.4f} to {high:+.4f}) over {n} pairs")


if __name__ == "__main__":
    main()
