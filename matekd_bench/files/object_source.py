"""Collects the source of objects that a script or a notebook defines, and the source of everything that they use.

The whole source of a script or a cell also holds code that has nothing to do with the object. So names are followed:
definitions of the script count with their source, constants with their value, and modules with their digest.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import symtable
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from matekd_bench.files.source_code import find_module, source_digest
from matekd_bench.spelling import kind_in_words

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), PurePath, slice, range)
NAMED = (type, FunctionType, BuiltinFunctionType)  # objects with a module and a name
FromTyping = type(Callable[[int], int]), type(int | None), type(list[int])
CHANGED = "the source of '{}' differs from the code that this process runs: run its definition again"


class Definition(NamedTuple):
    """A definition in a script: its source, the names that it uses, and its file."""

    text: str
    uses: Mapping[str, Any]
    file: str


class SourceParts:
    """The parts of objects, by name: the source of definitions, the values of constants, the digests of modules.

    `follows` says for the name of a module whether its source counts; of any other module only the name counts. `file`
    is the file or the cell of the first definition. Raises ValueError, with the reason, if a source cannot be read, and
    for a value that no source determines.
    """

    def __init__(self, follows: Callable[[str], bool]) -> None:
        self._follows = follows
        self.parts: dict[str, str | None] = {}
        self.file: str | None = None

    def add(self, name: str, value: Any) -> None:
        """Add an object under the name `name`, and everything that it uses."""
        if isinstance(value, (classmethod, staticmethod, MethodType)):
            self.add(name, value.__func__)
        elif isinstance(value, partial):
            self.add(name, value.func)
            self.add(f"{name}()", [value.args, value.keywords])
        elif isinstance(value, ModuleType):
            self._add_module(value.__name__)
        elif isinstance(value, NAMED):
            self._add_named(value)
        else:
            self.parts[name] = constant(name, value)

    def _add_module(self, module: str) -> bool:
        """Add a module; return False if its source counts but cannot be read."""
        digest = source_digest([module], self._follows) if self._follows(module) else ""
        self.parts[f"module {module}"] = digest
        return digest is not None

    def _add_named(self, value: Any) -> None:
        module, name = value.__module__ or "builtins", value.__qualname__
        if not is_in_script(value) and self._add_module(module):
            self.parts[f"{module}.{name}"] = None
        elif name not in self.parts:
            definition = find_definition(value)
            self.file = self.file or definition.file
            self.parts[name] = definition.text
            for used, other in definition.uses.items():
                self.add(used, other)


def is_in_script(value: Any) -> bool:
    """Return True for a class or function of a script, a notebook or a prompt, which cannot be imported."""
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and (module == "__main__" or find_module(module) is None)


def constant(name: str, value: Any) -> str:
    """Return the value of a constant as text; raise ValueError for an object whose content is not known."""
    if isinstance(value, PLAIN + FromTyping):
        return repr(value)
    if isinstance(value, re.Pattern):
        return f"{value.pattern!r} {value.flags}"
    if isinstance(value, Mapping):
        items = [f"{constant(name, key)}: {constant(name, item)}" for key, item in value.items()]
        return f"{type(value).__name__} {items}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} {[constant(name, item) for item in value]}"
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__} {sorted(constant(name, item) for item in value)}"
    if isinstance(value, NAMED):
        return f"{value.__module__}.{value.__qualname__}"
    if type(value).__module__ in ("typing", "logging"):
        return repr(value)
    raise ValueError(
        f"it uses '{name}', {kind_in_words(value)} whose content cannot be determined from source code"
    )


def find_definition(value: Any) -> Definition:
    """Return the definition of a class or function of a script; raise ValueError if it cannot be found."""
    functions = [value] if isinstance(value, FunctionType) else list(_functions_of(value))
    if not functions:
        return Definition(_content(value), {base.__qualname__: base for base in value.__bases__}, "")
    for function in functions:
        code = function.__code__
        text = "".join(linecache.getlines(code.co_filename))
        if (node := _node_of(value, code, text)) is not None:
            break
    else:
        raise ValueError(f"the source of '{value.__qualname__}' cannot be read")
    _check_current(value.__qualname__, code, text)
    source = textwrap.dedent("\n".join(text.splitlines()[_first_line(node) - 1 : node.end_lineno]))
    namespace = dict(function.__globals__)
    for part in functions:
        namespace |= _closure(part)
    uses = {name: namespace[name] for name in _names_in(source) if name in namespace}
    return Definition(source, uses, code.co_filename)


def _functions_of(cls: type) -> Iterator[FunctionType]:
    """Yield the functions of a class that have a source, including pydantic's validators."""
    decorators: Any = getattr(cls, "__pydantic_decorators__", None)
    groups = [getattr(decorators, field.name) for field in fields(decorators)] if decorators else []
    validators = [entry.func for group in groups if isinstance(group, dict) for entry in group.values()]
    for value in (*vars(cls).values(), *validators):
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if isinstance(function, FunctionType) and linecache.getlines(function.__code__.co_filename):
            yield function


def _content(cls: type) -> str:
    """Describe a class without functions, such as parameters, by its fields and constants."""
    bases = [f"{base.__module__}.{base.__qualname__}" for base in cls.__bases__]
    if (of_model := getattr(cls, "model_fields", None)) is not None:
        return f"{bases} {of_model!r}"
    values = {key: item for key, item in vars(cls).items() if not key.startswith("__")}
    return f"{bases} {inspect.get_annotations(cls)!r} {constant(cls.__qualname__, values)}"


def _node_of(value: Any, code: CodeType, text: str) -> ast.stmt | None:
    """Return the statement that defines a class or function, found by the first line of its code."""
    try:
        statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
    except (SyntaxError, ValueError):
        return None
    line = code.co_firstlineno
    around = [node for node in statements if _first_line(node) <= line <= (node.end_lineno or 0)]
    if isinstance(value, type):
        around = [node for node in around if isinstance(node, ast.ClassDef) and node.name == value.__name__]
    return around[-1] if around else None  # the innermost one: `ast.walk` goes from the outside to the inside


def _first_line(node: ast.stmt) -> int:
    """Return the first line of a statement, decorators included."""
    if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.lineno
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _check_current(name: str, code: CodeType, text: str) -> None:
    """Raise ValueError if `text` does not compile to the code that runs: the file may have been edited since."""
    candidates = [
        other for other in _codes(compile(text, code.co_filename, "exec"))
        if (other.co_name, other.co_firstlineno) == (code.co_name, code.co_firstlineno)
    ]  # fmt: skip
    if all(other.co_code != code.co_code or other.co_names != code.co_names for other in candidates):
        raise ValueError(CHANGED.format(name))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant_of_code in code.co_consts:
        if isinstance(constant_of_code, CodeType):
            yield from _codes(constant_of_code)


def _closure(function: FunctionType) -> dict[str, Any]:
    """Return the variables of enclosing functions that a function uses; those without a value are left out."""
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            continue
    return values


def _names_in(text: str) -> list[str]:
    """Return the names that a definition takes from outside, sorted."""
    names: set[str] = set()
    waiting = [symtable.symtable(text, "<definition>", "exec")]
    top = waiting[0]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        symbols = table.get_symbols()
        names |= {symbol.get_name() for symbol in symbols if symbol.is_global()}
        names |= {symbol.get_name() for symbol in symbols if table is top and symbol.is_referenced()}
    return sorted(names)
