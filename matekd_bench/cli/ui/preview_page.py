"""A preview as one self-contained HTML page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from matekd_bench.cli.ui.preview_text import answers, changes, diagnostics, legend

if TYPE_CHECKING:
    from matekd_bench.tools.preview_examples import MethodPreview, Preview, PreviewExample, PreviewVersion

STYLE = """\
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #222; --faint: #5c6670; --rule: #ddd;
  --removed: #a40000; --removed-paper: #ffecec; --added: #005a1e; --added-paper: #e6ffec;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e6e9ec; --faint: #a0a9b3; --rule: #3a424b;
    --removed: #ffa3a3; --removed-paper: #3d1a1a; --added: #8fe3a6; --added-paper: #10331c;
  }
}
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 1em auto;
  max-width: 75em; padding: 0 1em; }
h1, h2, p { overflow-wrap: anywhere; }
.wide { margin: 1em 0 2em; overflow-x: auto; }
table { border-collapse: collapse; min-width: 40em; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4em .8em .4em 0; border-bottom: 1px solid var(--rule); }
td.text { min-width: 15em; overflow-wrap: anywhere; width: 38%; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
del { background: var(--removed-paper); color: var(--removed); }
ins { background: var(--added-paper); color: var(--added); font-weight: 600; text-decoration: none; }
.note { color: var(--faint); }
:focus-visible { outline: 2px solid currentColor; }
@media print { .wide { overflow: visible; } table { min-width: 0; } tr { break-inside: avoid; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(preview: Preview) -> str:
    """Return the whole page; every text is escaped."""
    title = f"{', '.join(method.method for method in preview.methods)} on {preview.task}"
    body = [
        f"<main>\n<h1>{escape(title)}</h1>",
        f'<p class="note">{escape(legend(preview))}</p>',
        _diagnostics_table(preview),
    ]
    body += [_method_section(method) for method in preview.methods]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _diagnostics_table(preview: Preview) -> str:
    header, rows = diagnostics(preview)
    return _table(
        "Diagnostics",
        header,
        ["".join(f'<td class="number">{escape(cell)}</td>' for cell in row) for row in rows],
    )


def _method_section(method: MethodPreview) -> str:
    """Return a heading and a table with a row for every version of every example."""
    rows = [
        _cells(example, version) for example in method.examples for version in (example.versions or (None,))
    ]
    return f"<h2>{escape(method.method)}</h2>\n" + _table(
        f"Examples of {method.method}", ("label", "original", "perturbed", "teacher", "student"), rows
    )


def _table(title: str, header: tuple[str, ...], rows: list[str]) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = "\n".join(f"<tr>{row}</tr>" for row in rows)
    region = f'<div class="wide" role="region" tabindex="0" aria-label="{escape(title)}">'
    return f"{region}\n<table>\n<tr>{heads}</tr>\n{lines}\n</table>\n</div>"


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
    for kind, words in changes(example.texts, texts):
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
