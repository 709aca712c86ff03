"""The grammar of ``--methods``, and its parser.

    methods = item {"," item}
    item    = method ["@" number "x"]              kd@2x: twice the budget
    method  = name ["[" argument {"," argument} "]"]
    argument = method {"|" method}                 first only: the method that a wrapper wraps
             | parameter "=" value {"|" value}     several values are a sweep: one method for each
    value   = plain text | quoted text | name "[" ... "]"

Plain text is any text without ``, [ ] | "``; quoted text is a JSON string. Spaces around tokens are ignored. Several
sweeps give every combination; the last sweep varies fastest.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from matekd_bench.errors import UsageError

NO_REFERENCE = "none"  # as a reference: no method is one
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_-]*")
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PARAMETER_KEY = re.compile(rf"({PARAMETER.pattern})\s*=")
FACTOR = re.compile(r"@(\d{1,4}(?:\.\d{1,4})?)x")
PLAIN_TEXT = re.compile(r'[^,\[\]|"]*')
MAX_METHODS = 256  # in one list: a longer one is probably a mistake, and its runs would take weeks
MAX_DEPTH = 8  # of methods within methods
EXAMPLE_HINT = "write e.g. 'kd,eda[alpha=0.2]' or 'eda[alpha=0.1|0.2]'."
QUOTES_HINT = "in a shell, put the whole list in quotes, or the shell interprets '|', '[' and spaces."

Value: TypeAlias = "str | MethodRef"


@dataclass(frozen=True)
class MethodRef:
    """One method as the user wrote it, not yet looked up and with its values as text.

    `params` are sorted by name. `inner` is the method that a wrapper wraps. `factor` multiplies the budget.
    """

    name: str
    params: tuple[tuple[str, Value], ...] = ()
    inner: MethodRef | None = None
    factor: float = 1.0

    def __str__(self) -> str:
        arguments = [str(self.inner)] if self.inner else []
        arguments += [f"{key}={value_text(value)}" for key, value in self.params]
        listed = f"[{','.join(arguments)}]" if arguments else ""
        return f"{self.name}{listed}{factor_text(self.factor)}"


def value_text(value: Value) -> str:
    """Write a value in the grammar, quoted only if plain text would be read differently."""
    if isinstance(value, MethodRef):
        return str(value)
    plain = value and value == value.strip() and PLAIN_TEXT.fullmatch(value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def factor_text(factor: float) -> str:
    """Write a budget factor, such as ``@2x``; empty for a factor of 1."""
    return "" if factor == 1.0 else f"@{str(factor).removesuffix('.0')}x"


def parse(text: str) -> tuple[MethodRef, ...]:
    """Return the methods that `text` lists, in order, with sweeps expanded and duplicates removed.

    Raises UsageError with the position (from 1) of the first syntax error, or if there are more than 256 methods.
    """
    parser = _Parser(text)
    methods = tuple(dict.fromkeys(parser.items()))
    parser.check_number(len(methods))
    return methods


def parse_reference(text: str) -> tuple[MethodRef, ...]:
    """Return the methods that a reference names, as :func:`parse` does; none for NO_REFERENCE."""
    return () if text == NO_REFERENCE else parse(text)


def renamed(text: str, rename: Callable[[str], str]) -> str:
    """Return a list of methods with `rename` applied to each method's name, wrapped ones included.

    A text that is not in the grammar is returned unchanged; :func:`parse` reports its error.
    """
    parser, parts, end = _Parser(text), [], 0
    try:
        for _ in parser.items():
            pass
    except UsageError:
        return text
    for name in parser.names:
        parts += [text[end : name.start()], rename(name[0])]
        end = name.end()
    return "".join([*parts, text[end:]])


class _Parser:
    """A parser that reads from left to right; its methods return all alternatives of what they read.

    `names` are the names of methods read so far, with their positions.
    """

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.names: list[re.Match[str]] = []

    def items(self) -> Iterator[MethodRef]:
        """Read the whole text."""
        while True:
            methods = self.method()
            factor = self.factor()
            yield from (MethodRef(ref.name, ref.params, ref.inner, factor) for ref in methods)
            if self.at_end():
                return
            self.expect(",")

    def method(self) -> list[MethodRef]:
        """Read a name with its arguments."""
        name = self.match(NAME)
        if not name:
            self.fail("a method name")
        self.names.append(name)
        if self.depth == MAX_DEPTH:
            raise UsageError(f"methods '{self.text}': more than {MAX_DEPTH} nested methods.")
        self.depth += 1
        inners: list[MethodRef | None] = [None]
        params: dict[str, list[Value]] = {}
        if self.skip("["):
            if not self.peek(PARAMETER_KEY):
                inners = list(self.alternatives_of_method())
            if inners == [None] or self.skip(","):
                self.parameters(params)
            self.close()
        self.depth -= 1
        # Checked before the combinations are made: their number is a product.
        self.check_number(len(inners) * math.prod(map(len, params.values())))
        return [
            MethodRef(name[0], tuple(sorted(zip(params, values, strict=True), key=_parameter_name)), inner)
            for inner in inners
            for values in itertools.product(*params.values())
        ]

    def close(self) -> None:
        """Read the bracket that ends a method's arguments."""
        if self.peek(re.compile("@")):
            raise UsageError(
                f"methods '{self.text}': a wrapped method has no budget of its own (position {self.at + 1}):",
                hint="write '@' after the outermost bracket.",
            )
        self.expect("]")

    def check_number(self, count: int) -> None:
        """Raise UsageError if a list or its sweeps make more methods than a study can have."""
        if count > MAX_METHODS:
            raise UsageError(
                f"methods '{self.text}' expand to {count} methods, but a study can have at most {MAX_METHODS}.",
                hint="Sweep fewer values.",
            )

    def alternatives_of_method(self) -> list[MethodRef]:
        """Read one or more wrapped methods, separated by bars."""
        methods = self.method()
        while self.skip("|"):
            methods += self.method()
        return methods

    def parameters(self, params: dict[str, list[Value]]) -> None:
        """Read one or more ``key=value|value`` into `params`."""
        while True:
            key = self.match(PARAMETER_KEY)
            if not key:
                self.fail("'parameter=value'")
            if key[1] in params:
                raise UsageError(f"methods '{self.text}': parameter '{key[1]}' is given twice.")
            params[key[1]] = self.value()
            while self.skip("|"):
                params[key[1]] += self.value()
            if not self.skip(","):
                return

    def value(self) -> list[Value]:
        """Read one value: quoted text, a method with arguments, or plain text."""
        if self.peek(re.compile('"')):
            return [self.quoted()]
        start = self.at
        plain = self.match(PLAIN_TEXT)
        if self.text[self.at : self.at + 1] == "[":
            self.at = start
            return list(self.method())
        if not plain or not plain[0].strip():
            self.fail("a value")
        return [plain[0].strip()]

    def quoted(self) -> str:
        """Read a JSON string."""
        try:
            value, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
        except ValueError:
            self.fail("a closing quote")
        return str(value)

    def factor(self) -> float:
        """Read the budget factor after ``@``; 1 without it."""
        factor = self.match(FACTOR)
        if factor is None:
            if self.peek(re.compile("@")):
                self.fail("a budget factor such as '@2x'")
            return 1.0
        if float(factor[1]) == 0:
            raise UsageError(f"methods '{self.text}': a budget cannot be multiplied by {factor[1]}.")
        return float(factor[1])

    def peek(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Skip spaces and match `pattern` without moving past it."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return pattern.match(self.text, self.at)

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Skip spaces and match `pattern`, moving past it."""
        match = self.peek(pattern)
        if match:
            self.at = match.end()
        return match

    def skip(self, token: str) -> bool:
        """Move past `token` if it comes next, and return True; else return False."""
        return self.match(re.compile(re.escape(token))) is not None

    def expect(self, token: str) -> None:
        """Move past `token`; UsageError if it does not come next."""
        if not self.skip(token):
            self.fail(f"'{token}'")

    def at_end(self) -> bool:
        """Return True if only spaces are left."""
        return self.peek(re.compile(r"\Z")) is not None

    def fail(self, expected: str) -> NoReturn:
        """Raise a UsageError that names the expected and the actual token at this position."""
        ended = self.at >= len(self.text)
        actual = "the end" if ended else f"'{self.text[self.at]}'"
        raise UsageError(
            f"methods '{self.text}': expected {expected} at position {self.at + 1}, found {actual};",
            hint=QUOTES_HINT if ended and self.depth else EXAMPLE_HINT,
        )


def _parameter_name(pair: tuple[str, Value]) -> str:
    return pair[0]
