"""The page of all public names as Markdown: ``python -m matekd_bench.api.api_page > docs/api.md``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import matekd_bench
from matekd_bench import testing

HEAD = """\
# Public names

Generated from the docstrings by `python -m matekd_bench.api.api_page > docs/api.md`. These names can be imported from
`matekd_bench`, those of the last section from `matekd_bench.testing`. All other modules are private and may change.
[python.md](python.md) runs a study from Python, and [write-a-method.md](write-a-method.md) shows how to write a method.
"""
TAIL = """\
## Not shown

`hookimpl` marks a function as the implementation of a [hook](hooks.md). `Views` is the return type of
`Perturbation.views`, for annotations only. `__version__` is the version of matekd-bench.
"""
SECTIONS: Mapping[str, str] = {
    "Studies and results": "Study DryRun load_results merge_results Results Leaderboard Drawing Student",
    "This machine": "doctor cache_entries clear_cache",
    "Parts of a method": "Perturbation TextPerturbation TokenPerturbation Params NoParams Range Choice Cycle "
    "Method WrapperParams",
    "What a method gets and yields": "View Joint Seen Batch Models Context Trained Tokens WordEmbeddings Row Encoded "
    "Perturbed seed_of borrowed_random",
    "Tasks": "Task Split Rows Suite load_tasks load_suites evaluate_metric",
    "Perturbed texts from a file": "read_perturbed_texts PerturbedTexts Coverage",
    "Thesauri": "Thesaurus Synonyms groups_in wordnet_places find_thesaurus thesaurus_names",
    "Presets, exporters, trackers": "Preset load_presets Exporter ExportTable Tracker",
    "Events": "StudyStarted PlannedRun RunStarted Progress Evaluated RunFinished Prepared StopRequested StudyFinished "
    "Message",
    "Errors": "BenchError UsageError DataError CheckpointError PluginError ResultsError RunError",
}
NOT_SHOWN = frozenset({"hookimpl", "Views", "__version__"})
ROLE = re.compile(r":\w+:`~?([^`]*)`")
REFERENCE = re.compile(
    r"<(?:function|class) (?:\w+\.)*(\w+)(?: at 0x[0-9a-f]+)?>"
)  # to a default in a signature
QUOTED = re.compile(r"""(: )(['"])(.*?)\2(?= = |$)""")  # an annotation
LONGEST = 110


def page() -> str:
    """Return the whole page: every public name with its signature and docstring."""
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts += [f"## {title}\n", *(_entry(name, getattr(matekd_bench, name)) for name in names.split())]
    parts += ["## For tests\n", *(_entry(name, getattr(testing, name)) for name in testing.__all__)]
    return "\n".join([*parts, TAIL])


def _entry(name: str, value: Any) -> str:
    """Return heading, signature and docstring of a name, with the public members of a class."""
    if not callable(value):
        return f"### {name}\n\nThe value is `{value!r}`.\n"
    members = _members(value) if isinstance(value, type) else ()
    return "\n".join([f"### {name}\n\n{_code(name, value)}\n\n{_doc(value)}\n", *members])


def _members(cls: type) -> Iterator[str]:
    """Yield signature and docstring of each public method and property that a class itself defines."""
    for name, member in vars(cls).items():
        value = getattr(member, "__func__", member)
        is_property = isinstance(value, (property, cached_property))
        if name.startswith("_") or not (is_property or inspect.isfunction(value)):
            continue
        shown = f"`{cls.__name__}.{name}`" if is_property else _code(f"{cls.__name__}.{name}", value)
        yield f"{shown}\n\n{_doc(value)}\n"


def _code(name: str, value: Any) -> str:
    """Return a call with the types of its arguments as a code block; a long call has one argument per line."""
    signature = inspect.signature(value)
    arguments = list(_arguments(signature))
    annotation = "" if isinstance(value, type) else signature.return_annotation
    returns = f" -> {annotation}" if annotation not in ("", signature.empty) else ""
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) > LONGEST:
        line = "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){returns}"])
    return f"```python\n{line}\n```"


def _arguments(signature: inspect.Signature) -> Iterator[str]:
    """Yield the arguments as they are written, without `self`; `*` precedes those that need their name."""
    parameters = [item for item in signature.parameters.values() if item.name not in ("self", "cls")]
    starred = any(item.kind is item.VAR_POSITIONAL for item in parameters)
    for item in parameters:
        if item.kind is item.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield REFERENCE.sub(r"\1", QUOTED.sub(r"\1\3", str(item)))


def _doc(value: Any) -> str:
    """Return a docstring as Markdown."""
    text = ROLE.sub(r"`\1`", inspect.getdoc(value) or "").replace("``", "`")
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.stdout.write(page())
