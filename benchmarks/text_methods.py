"""How many SST-2 phrases a second the text methods perturb on one core, and EDA's ratio to nlpaug at the same edit.

    python benchmarks/text_methods.py --texts 5000 --rounds 5

The phrases come from `glue/SST-2/train.tsv` in the folder MATEKD_BENCH_TEST_DATA, WordNet from NLTK_DATA or from
`nltk_data` in that folder. Methods take turns, round by round, so that other load on the machine meets all of them; of
each the fastest round counts. Synonyms are looked up before, which is not timed; making each text's generator is.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("MATEKD_BENCH_TEST_DATA", HERE.parent.parent / "shared" / "data"))
WANTED = 50_000  # phrases a second for EDA with WordNet
RATIOS = (("eda, swap only", "nlpaug:swap"), ("eda, delete only", "nlpaug:delete"))

Perturb = Callable[[str, random.Random], str]


def phrases(count: int) -> list[str]:
    """The first `count` phrases of SST-2's training data."""
    file = DATA / "glue" / "SST-2" / "train.tsv"
    if not file.is_file():
        raise SystemExit(f"no '{file}': set MATEKD_BENCH_TEST_DATA to a folder that holds glue/SST-2.")
    lines = file.read_text(encoding="utf-8").splitlines()[1 : count + 1]
    return [line.split("\t")[0] for line in lines]


def contenders(texts: Sequence[str], thesaurus: str) -> dict[str, Perturb]:
    """What is timed, by name, with synonyms looked up."""
    from matekd_plugins.aeda import AEDA, AEDAParams
    from matekd_plugins.eda import EDA, EDAParams
    from matekd_plugins.nlpaug import matekd_bench_methods

    nothing: Any = None  # these methods ask their context for nothing before a run
    every: dict[str, Any] = {
        "eda": EDA(EDAParams(thesaurus=thesaurus), nothing),
        "eda, official": EDA(EDAParams(thesaurus=thesaurus, variant="official"), nothing),
        "aeda": AEDA(AEDAParams(), nothing),
    }
    operations = ("synonym", "insert", "swap", "delete")
    for only in operations:
        switches: dict[str, Any] = {name: name == only for name in operations}
        every[f"eda, {only} only"] = EDA(EDAParams(thesaurus=thesaurus, **switches), nothing)
    for record in matekd_bench_methods():
        if not record.refused:
            every[record.name] = record.factory(record.params(), nothing)
    for method in every.values():
        method.prepare(texts)
    return {name: method.perturb for name, method in every.items()}


def seconds(perturb: Perturb, texts: Sequence[str]) -> float:
    """The time for all texts, each with a generator of its own."""
    started = time.perf_counter()
    for seed, text in enumerate(texts):
        perturb(text, random.Random(seed))
    return time.perf_counter() - started


def measure(timed: dict[str, Perturb], texts: Sequence[str], rounds: int) -> dict[str, float]:
    """Texts a second by name, from the fastest of `rounds` rounds."""
    best = dict.fromkeys(timed, float("inf"))
    for _ in range(rounds):
        for name, perturb in timed.items():
            best[name] = min(best[name], seconds(perturb, texts))
    return {name: len(texts) / taken for name, taken in best.items()}


def report(speeds: dict[str, float]) -> str:
    """The speeds as a table, then the ratios and what was wanted."""
    lines = ["method                  texts/s"]
    lines += [f"{name:22}{round(speed):>9,}" for name, speed in speeds.items()]
    lines.append("")
    lines += [f"{ours} / {theirs}: {speeds[ours] / speeds[theirs]:.1f} times" for ours, theirs in RATIOS]
    lines.append(f"eda / {WANTED:,} wanted: {speeds['eda'] / WANTED:.2f} times")
    return "\n".join(lines)


def main() -> None:
    """Reads the options, measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=5000, help="phrases of SST-2 (default 5000)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds, of which the fastest counts (default 5)"
    )
    parser.add_argument("--thesaurus", default="wordnet", help="EDA's source of synonyms (default wordnet)")
    options = parser.parse_args()
    os.environ.setdefault("NLTK_DATA", str(DATA / "nltk_data"))
    texts = phrases(options.texts)
    print(report(measure(contenders(texts, options.thesaurus), texts, options.rounds)))


if __name__ == "__main__":
    main()
