"""The one small grammar in which ``--methods`` is written.

    methods = item {"," item}
    item    = method ["@" number "x"]              kd@2x: twice the budget
    method  = name ["[" argument {"," argument} "]"]
    argument = method {"|" method}                 first only: the method that a wrapper wraps
             | parameter "=" value {"|" value}     several values are a sweep: one method for each
    value   = plain text | quoted text | name "[" ... "]"

Plain text is anything without ``, [ ] | "``; quoted text follows JSON. Spaces around tokens are ignored. Several sweeps
give every combination, in the order in which they are written: the last one varies fastest.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from matekd_bench.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_-]*")
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEY = re.compile(rf"({PARAMETER.pattern})\s*=")
FACTOR = re.compile(r"@(\d{1,4}(?:\.\d{1,4})?)x")
PLAIN = re.compile(r'[^,\[\]|"]*')
MOST = 256  # methods in one list: more is a slip, and its runs would take weeks
DEEPEST = 8  # methods within methods
EXAMPLE = "write e.g. 'kd,eda[alpha=0.2]' or 'eda[alpha=0.1|0.2]'."
QUOTES = "in a shell the whole list stands in quotes, or it reads '|', '[' and spaces itself."

Value: TypeAlias = "str | MethodRef"


@dataclass(frozen=True)
class MethodRef:
    """One method as the user wrote it: not yet looked up, its values still text.

    `params` are sorted by name. `inner` is the method a wrapper wraps. `factor` multiplies the budget.
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
    """A value as the grammar writes it: quoted only where plain text would be read differently."""
    if isinstance(value, MethodRef):
        return str(value)
    plain = value and value == value.strip() and PLAIN.fullmatch(value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def factor_text(factor: float) -> str:
    """``@2x`` for twice the budget, nothing for once."""
    return "" if factor == 1.0 else f"@{str(factor).removesuffix('.0')}x"


def parse(text: str) -> tuple[MethodRef, ...]:
    """The methods that `text` lists, sweeps expanded, in order, equal ones once.

    Raises UsageError with the position (from 1) of the first thing that does not fit, or where there are more than
    256.
    """
    reader = _Reader(text)
    found = tuple(dict.fromkeys(reader.items()))
    reader.check_number(len(found))
    return found


class _Reader:
    """Reads the grammar from left to right; each method returns every alternative of what it read."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def items(self) -> Iterator[MethodRef]:
        """The whole text."""
        while True:
            methods = self.method()
            factor = self.factor()
            yield from (MethodRef(one.name, one.params, one.inner, factor) for one in methods)
            if self.at_end():
                return
            self.expect(",")

    def method(self) -> list[MethodRef]:
        """A name with its arguments."""
        name = self.match(NAME)
        if not name:
            self.fail("a method name")
        if self.depth == DEEPEST:
            raise UsageError(f"methods '{self.text}': more than {DEEPEST} methods within one another.")
        self.depth += 1
        inner: list[MethodRef | None] = [None]
        params: dict[str, list[Value]] = {}
        if self.skip("["):
            if not self.peek(KEY):
                inner = list(self.alternatives_of_method())
            if inner == [None] or self.skip(","):
                self.parameters(params)
            self.close()
        self.depth -= 1
        self.check_number(len(inner) * math.prod(map(len, params.values())))
        return [
            MethodRef(name[0], tuple(sorted(zip(params, values, strict=True), key=_key)), one)
            for one in inner
            for values in itertools.product(*params.values())
        ]

    def close(self) -> None:
        """The bracket that ends a method's arguments."""
        if self.peek(re.compile("@")):
            raise UsageError(
                f"methods '{self.text}': a wrapped method has no budget of its own (position {self.at + 1}):",
                hint="'@' follows the outermost bracket.",
            )
        self.expect("]")

    def check_number(self, count: int) -> None:
        """UsageError where a list or its sweeps make more methods than a study can have."""
        if count > MOST:
            raise UsageError(
                f"methods '{self.text}' make {count} methods: at most {MOST} can be in one study.",
                hint="Sweep fewer values.",
            )

    def alternatives_of_method(self) -> list[MethodRef]:
        """One or more wrapped methods, separated by bars."""
        found = self.method()
        while self.skip("|"):
            found += self.method()
        return found

    def parameters(self, params: dict[str, list[Value]]) -> None:
        """One or more ``key=value|value``, put into `params`."""
        while True:
            key = self.match(KEY)
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
        """One value: quoted text, a method with arguments, or plain text."""
        if self.peek(re.compile('"')):
            return [self.quoted()]
        start = self.at
        plain = self.match(PLAIN)
        if self.text[self.at : self.at + 1] == "[":
            self.at = start
            return list(self.method())
        if not plain or not plain[0].strip():
            self.fail("a value")
        return [plain[0].strip()]

    def quoted(self) -> str:
        """A JSON string."""
        try:
            value, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
        except ValueError:
            self.fail("a closing quote")
        return str(value)

    def factor(self) -> float:
        """What follows ``@``, or 1."""
        factor = self.match(FACTOR)
        if factor is None:
            if self.peek(re.compile("@")):
                self.fail("a budget's factor such as '@2x'")
            return 1.0
        if float(factor[1]) == 0:
            raise UsageError(f"methods '{self.text}': a budget cannot be multiplied by {factor[1]}.")
        return float(factor[1])

    def peek(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What `pattern` matches after spaces, without moving past it."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return pattern.match(self.text, self.at)

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What `pattern` matches after spaces, moving past it."""
        found = self.peek(pattern)
        if found:
            self.at = found.end()
        return found

    def skip(self, token: str) -> bool:
        """Moves past `token` if it comes next."""
        return self.match(re.compile(re.escape(token))) is not None

    def expect(self, token: str) -> None:
        if not self.skip(token):
            self.fail(f"'{token}'")

    def at_end(self) -> bool:
        return self.peek(re.compile(r"\Z")) is not None

    def fail(self, expected: str) -> NoReturn:
        ended = self.at >= len(self.text)
        found = "the end" if ended else f"'{self.text[self.at]}'"
        raise UsageError(
            f"methods '{self.text}': expected {expected} at position {self.at + 1}, found {found};",
            hint=QUOTES if ended and self.depth else EXAMPLE,
        )


def _key(pair: tuple[str, Value]) -> str:
    return pair[0]
