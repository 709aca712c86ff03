"""A preview as one self-contained HTML page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from matekd_bench.cli.ui.preview_text import answers, changes, diagnostics, legend

if TYPE_CHECKING:
    from matekd_bench.tools.preview_examples import MethodPreview, Preview, PreviewExample, PreviewVersion

STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; width: 100%; margin: 1em 0 2em; }
th, td { text-align: left; vertical-align: top; padding: .4em .8em .4em 0; border-bottom: 1px solid #ddd; }
td.text { width: 38%; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
del { color: #a40000; background: #ffecec; }
ins { color: #005a1e; background: #e6ffec; text-decoration: none; font-weight: 600; }
.note { color: #666; }
"""


def page(preview: Preview) -> str:
    """Return the whole page; every text is escaped."""
    title = f"{', '.join(method.method for method in preview.methods)} on {preview.task}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">{escape(legend(preview))}</p>',
        _diagnostics_table(preview),
    ]
    body += [_method_section(method) for method in preview.methods]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>\n{STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _diagnostics_table(preview: Preview) -> str:
    header, rows = diagnostics(preview)
    return _table(
        header, ["".join(f'<td class="number">{escape(cell)}</td>' for cell in row) for row in rows]
    )


def _method_section(method: MethodPreview) -> str:
    """Return a heading and a table with a row for every version of every example."""
    rows = [
        _cells(example, version) for example in method.examples for version in (example.versions or (None,))
    ]
    return f"<h2>{escape(method.method)}</h2>\n" + _table(
        ("label", "original", "perturbed", "teacher", "student"), rows
    )


def _table(header: tuple[str, ...], rows: list[str]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>\n<tr>{heads}</tr>\n{lines}\n</table>"


def _cells(example: PreviewExample, version: PreviewVersion | None) -> str:
    """Return the cells of one version's row; a version of None means that nothing is perturbed."""
    old, new = _marked_texts(example, version)
    teacher = answers(example.teacher, version.teacher if version else None)
    student = answers(example.student, version.student if version else None)
    return (
        f'<td>{escape(example.label)}</td><td class="text">{old}</td><td class="text">{new}</td>'
        f'<td class="number">{escape(teacher)}</td><td class="number">{escape(student)}</td>'
    )


def _marked_texts(example: PreviewExample, version: PreviewVersion | None) -> tuple[str, str]:
    """Return the original text with removed words marked and the perturbed text with added words marked."""
    texts = example.texts if version is None or version.texts is None else version.texts
    old, new = [], []
    for kind, words in (change for part in changes(example.texts, texts) for change in part):
        text = escape(words)
        if kind != "added":
            old.append(f"<del>{text}</del>" if kind == "removed" else text)
        if kind != "removed":
            new.append(f"<ins>{text}</ins>" if kind == "added" else text)
    if version is None:
        new = ['<span class="note">nothing is perturbed</span>']
    elif version.shift is not None:
        new = [
            *(new if version.texts else ()),
            f'<span class="note">embeddings moved by {version.shift:.1%}</span>',
        ]
    elif version.texts is None:
        new = ['<span class="note">the same text</span>']
    return " ".join(old), " ".join(new)
