"""The hooks through which the package plugs into matekd-bench. The method itself is in `method.py`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from matekd_bench import (
    Exporter,
    ExportTable,
    Preset,
    RunFinished,
    RunStarted,
    Synonyms,
    Thesaurus,
    hookimpl,
    load_presets,
)
from matekd_bench_wordswap.method import WordSwap

HERE = Path(__file__).parent


@hookimpl
def matekd_bench_methods() -> Iterator[type[WordSwap]]:
    """Provide the method `wordswap`."""
    yield WordSwap


@hookimpl
def matekd_bench_thesauri() -> Iterator[Thesaurus]:
    """Provide the thesaurus `kitchen`, from a text file in this package."""
    yield Thesaurus(name="kitchen", summary="Words for cooks.", load=kitchen)


def kitchen() -> Synonyms:
    """Load the groups of words, one per line; their digest becomes part of the name in records."""
    text = files(__package__).joinpath("kitchen.txt").read_text(encoding="utf-8")
    return Synonyms.of_groups("kitchen v1", text)


@hookimpl
def matekd_bench_presets() -> Iterator[Preset]:
    """Provide the presets of the folder `presets`."""
    yield from load_presets(HERE / "presets")


@hookimpl
def matekd_bench_exporters() -> Iterator[Exporter]:
    """Provide plain lines, for `matekd-bench export scores.txt`."""
    yield Exporter(extension=".txt", summary="A line for each row: method and score.", write=lines)


def lines(table: ExportTable) -> bytes:
    """Write the method of each row, and its score or a dash."""
    return "".join(f"{row['method']}\t{row.get('score') or '-'}\n" for row in table.rows).encode()


@hookimpl
def matekd_bench_run_finished(run: RunStarted, end: RunFinished) -> None:
    """Print the share of the words that a run of `wordswap` changed."""
    changed = end.record.get("diagnostics", {}).get("words_changed")
    if run.method.startswith("wordswap") and changed is not None:
        print(f"wordswap changed {100 * changed:.1f} % of the words of {run.task}")
