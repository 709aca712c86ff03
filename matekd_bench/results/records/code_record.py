"""The part of a record that identifies the code of a method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from matekd_bench.results.records.field_types import PrintableText, RecordPart, TextMap
from matekd_bench.spelling import counted

SHOWN_DIGITS = 12  # of a digest, in tables and sentences
MAX_NAMED = 5  # built-in methods that a sentence lists


class CodeRecord(RecordPart):
    """The code of one method.

    `distribution` and `version` are those of the package that provides it, None for a file. `file` holds its class or
    factory, without the folders above its package. `digest` is the SHA-256 of the source of its modules, None if it
    could not be read. `libraries` maps the libraries that the method names to their versions. `built_in` is True for a
    method of matekd-bench, whose code is not part of the run's identity.
    """

    method: PrintableText
    distribution: PrintableText | None
    version: PrintableText | None
    file: PrintableText | None
    digest: PrintableText | None
    libraries: TextMap
    built_in: bool

    @property
    def origin(self) -> str:
        """Distribution and version, or the file, for messages."""
        return f"{self.distribution} {self.version}" if self.distribution else f"file {self.file}"

    @property
    def identity(self) -> str:
        """Digest and versions of libraries, for tables; the distribution's version if there is no digest."""
        source = f"source {self.digest[:SHOWN_DIGITS]}" if self.digest else f"{self.origin} (source unknown)"
        return ", ".join([source, *(f"{name} {version}" for name, version in self.libraries.items())])

    def __str__(self) -> str:
        return f"{self.origin}, {self.identity}" if self.digest else self.identity


Code: TypeAlias = tuple[CodeRecord, ...]  # of a method, and of the method that it wraps


def foreign_code(code: Code) -> str:
    """Name the code of the methods from outside matekd-bench; "" if there are none or none is recorded."""
    foreign = [part for part in code if not part.built_in]
    if len(code) == 1:
        return foreign[0].identity if foreign else ""
    return "; ".join(f"{part.method}: {part.identity}" for part in foreign)


def differing_code(runs: Iterable[tuple[str, Code]]) -> Iterator[str]:
    """Yield a sentence on each variant whose runs come from different code; `runs` are pairs of variant and code.

    Built-in methods share a sentence: another state of matekd-bench may change many of them.
    """
    by_method: dict[str, list[CodeRecord]] = {}
    for variant, code in runs:
        for part in code:
            name = variant if len(code) == 1 else f"{part.method} in {variant}"
            by_method.setdefault(name, []).append(part)
    differing = {
        name: parts for name, parts in by_method.items() if len({part.identity for part in parts}) > 1
    }
    built_in = sorted(name for name, parts in differing.items() if parts[0].built_in)
    for name in sorted(differing.keys() - set(built_in)):
        yield f"{name}: its runs used different code: {', '.join(_counted(differing[name]))}."
    if built_in:
        more = f" and {len(built_in) - MAX_NAMED} more" if len(built_in) > MAX_NAMED else ""
        names = ", ".join(built_in[:MAX_NAMED]) + more
        yield f"{names}: runs of one method version come from different source code of matekd-bench."


def _counted(parts: Iterable[CodeRecord]) -> Iterator[str]:
    """Yield each state of a method's code, with the number of its runs."""
    counts = Counter((part.identity, part.origin) for part in parts)
    for (identity, origin), count in sorted(counts.items()):
        yield f"{identity} ({origin}; {counted(count, 'run')})"
