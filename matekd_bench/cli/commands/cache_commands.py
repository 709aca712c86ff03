"""``matekd-bench cache``: what the suite has kept of teachers, logits and generators, and clearing it."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import Json, Option, examples
from matekd_bench.cli.ui.console import print_json, print_table
from matekd_bench.errors import UsageError

if TYPE_CHECKING:
    from matekd_bench.distill.artifacts.eviction import CachedFolder

app = typer.Typer(help="What is kept of teachers, logits and generators.", no_args_is_help=True)
AGE = re.compile(r"(\d+(?:\.\d+)?) *([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@app.command("info", epilog=examples("cache info", "cache info --json"))
def info(json: Json = False) -> None:
    """Say where the cache lies, what is in it, how large it may become, and what is in use."""
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import cache_limit, entries
    from matekd_bench.tools.doctor.caches import readable

    root, limit = cache_root(), cache_limit()
    found = entries(root)
    if json:
        print_json({"folder": str(root), "limit": limit, "entries": [_plain(one) for one in found]})
        return
    kinds: defaultdict[str, list[CachedFolder]] = defaultdict(list)
    for one in found:
        kinds[one.kind if one.finished else f"{one.kind}, unfinished"].append(one)
    rows = [
        (kind, str(len(of)), readable(sum(one.size for one in of)), _ago(min(one.used for one in of)))
        for kind, of in sorted(kinds.items())
    ]
    if rows:
        print_table(("kind", "entries", "size", "longest unused"), rows)
    typer.echo(f"{root}: {readable(sum(one.size for one in found))} of at most {readable(limit)}")


@app.command("clear", epilog=examples("cache clear", "cache clear --older-than 30d"))
def clear(
    older_than: Annotated[
        str | None,
        Option("--older-than", metavar="AGE", help="Only what was not used for so long, e.g. 30d, 12h."),
    ] = None,
    json: Json = False,
) -> None:
    """Take away what the cache keeps; what is in use stays. Records do not depend on it."""
    from matekd_bench.distill.artifacts.artifact_cache import cache_root
    from matekd_bench.distill.artifacts.eviction import clear as take_away
    from matekd_bench.tools.doctor.caches import readable

    age = 0.0 if older_than is None else _seconds(older_than)
    done = list(take_away(cache_root(), older_than=age))
    if json:
        print_json([{**_plain(one), "cleared": gone} for one, gone in done])
        return
    for one, gone in done:
        if not gone:
            typer.echo(f"in use, kept: {one.path}")
    cleared = [one for one, gone in done if gone]
    typer.echo(f"{len(cleared)} cleared, {readable(sum(one.size for one in cleared))}.")


def _seconds(text: str) -> float:
    found = AGE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"--older-than '{text}' is no age: write e.g. 30d, 12h, 90m or 45s.")
    return float(found[1]) * SECONDS[found[2]]


def _ago(moment: float) -> str:
    from matekd_bench.cli.ui.progress import duration

    seconds = max(0.0, time.time() - moment)
    return f"{seconds / 86400:.0f} days" if seconds >= 2 * 86400 else duration(seconds)


def _plain(one: CachedFolder) -> dict[str, object]:
    return {
        "kind": one.kind,
        "folder": str(one.path),
        "bytes": one.size,
        "last_used": one.used,
        "finished": one.finished,
    }
