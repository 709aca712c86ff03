"""The exceptions that the user sees as one line, and the functions that turn errors of libraries into such a line.

BenchError                 exit code 2: something the user typed, named or installed is wrong
├── UsageError             an option, a name or a parameter
├── DataError              a data folder, file, column or label
├── CheckpointError        a model, tokenizer or vocabulary
├── PluginError            a plugin that conflicts with another or breaks the rules of the interface
├── ResultsError           a results folder or a record
└── RunError               exit code 1: a run that started but could not be finished

StoppedError               not an Exception: a signal has asked the program to stop
└── LostProcessError       another process that trains the same runs has died
EscapedError               an error of a plugin that is not an Exception, such as SystemExit; never shown itself
"""

from __future__ import annotations

import copyreg
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from matekd_bench.spelling import nearest, nearest_of

if TYPE_CHECKING:
    from pydantic import ValidationError

# Plain words for pydantic's most common complaints; all others keep pydantic's own words.
PLAIN_RULES: Mapping[str, str] = {
    **dict.fromkeys(("string_type", "string_sub_type"), "it should be text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "it should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "it should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "it should be true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "it should be a list"),
    **dict.fromkeys(("dict_type", "model_type", "dataclass_type"), "it should be a table of keys and values"),
}
LONGEST_VALUE = 60  # characters of a wrong value that are shown
LONGEST_KEY = 80  # characters of a key in a message
LONGEST_REASON = 1000  # characters of a foreign error that are shown and recorded
LONGEST_TRACEBACK = 20_000


class BenchError(Exception):
    """Base class of all errors that are shown as one line: what is wrong and, if known, what to do.

    `message` names the bad value and the allowed ones; `hint` is the next thing to do, often a command.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without calling `__init__`, since its arguments differ in subclasses; Ray sends errors pickled."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class UsageError(BenchError):
    """An option, a name or a parameter that cannot be used."""


class DataError(BenchError):
    """A data folder, file, column or label that cannot be used."""


class CheckpointError(BenchError):
    """A model, tokenizer or vocabulary that cannot be used."""


class PluginError(BenchError):
    """A plugin that conflicts with another or breaks the rules of the interface."""


class ResultsError(BenchError):
    """A results folder or record that cannot be read or written."""


class RunError(BenchError):
    """A run that started but could not be finished."""

    exit_code = 1


class StoppedError(BaseException):
    """A study stopped by a signal; `exit_code` is 128 plus the signal number, as in shells.

    It is not an Exception, so that it is never mistaken for a method's failure. It is not a KeyboardInterrupt either:
    Typer would drop its message and its signal, and a plugin may raise a KeyboardInterrupt itself.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class LostProcessError(StoppedError):
    """A study stopped because another process that trains its runs has died; `reason` says which one and how.

    The current run is not recorded: it resumes from its last checkpoint.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; run the same command to resume.", 0)
        self.exit_code = 1


class EscapedError(Exception):
    """An exception from a plugin that `except Exception` would miss; the original is its `__cause__`."""


def unknown(kind: str, name: str, allowed: Iterable[str], *, command: str | None = None) -> UsageError:
    """Return the error for a name that does not exist, with the nearest match or all allowed names.

    `kind` is the word for the named thing ("method", "task", ...). `command` is the command that lists the names.
    """
    return UsageError(
        f"unknown {kind} '{name}': {_suggestion(name, sorted(allowed))}",
        hint=f"'{command}' lists them." if command else None,
    )


def _suggestion(name: str, names: Sequence[str]) -> str:
    """Return the nearest of the names as a question, or else all names."""
    if near := nearest(name, names):
        return f"did you mean '{near}'?"
    return f"available: {', '.join(names)}." if names else "none are available."


def list_available(name: str, present: Sequence[str]) -> str:
    """Return the end of an error about a missing `name`: the nearest of the `present` names, then all of them."""
    if not present:
        return "none are available."
    near = nearest_of(name, present)
    listed = f"available: {', '.join(sorted(present))}."
    return f"did you mean '{near}'? {listed}" if near else listed


def one_line(error: BaseException) -> str:
    """Return any error as one line that does not end with a period.

    The project's own errors are shown without their type. All others end with the place to look at, such as
    `(my_method.py, line 12)`. A very long message is shortened, and one that cannot be read is left out.
    """
    error = original_of(error)
    text = message_of(error)
    if isinstance(error, BenchError):
        return text.rstrip(": ") or "no reason given"
    text = f"{type(error).__name__}: {text}".rstrip(": ")
    if isinstance(error, BaseExceptionGroup):
        first = _first_of(error)
        text = f"{text}, the first is {type(first).__name__}: {message_of(first)}".rstrip(": ")
    place = None if isinstance(error, SyntaxError) else _place(error)  # a syntax error names its own place
    return text if place is None else f"{text} ({place})"


def original_of(error: BaseException) -> BaseException:
    """Return the original error of an EscapedError, and any other error unchanged."""
    return error.__cause__ if isinstance(error, EscapedError) and error.__cause__ else error


def message_of(error: BaseException) -> str:
    """Return the message of any error as one line that can be displayed, stored and sent."""
    try:
        text = str(error)
    except StoppedError:
        raise
    except BaseException:  # foreign code may raise anything here too
        return "its message cannot be displayed"
    line = " ".join(_shortened(text, LONGEST_REASON).split())
    return line.encode(errors="replace").decode()  # half a surrogate pair cannot be written to a file


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error as Python prints it, with the middle of a very long one left out."""
    import traceback  # only where something has failed

    lines = "".join(traceback.format_exception(error)).rstrip()
    return _shortened(lines, LONGEST_TRACEBACK).encode(errors="replace").decode()


def _shortened(text: str, length: int) -> str:
    """Return the text, with the middle of a long one left out."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]} ... {text[-half:]}"


def _first_of(error: BaseException) -> BaseException:
    """Return the first error of a group, which may itself contain groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(error: BaseException) -> str | None:
    """Return file name and line of the frame that is most likely at fault; None without a traceback.

    This is the deepest frame of code that belongs neither to matekd-bench nor to an installed library. Without one, the
    plugin may be installed: then it is the last frame that matekd-bench called. Otherwise it is the deepest frame.
    """
    frames = []  # (file, line, belongs to this project), the outermost first
    step = error.__traceback__
    while step is not None:
        code, suite = step.tb_frame.f_code, step.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if not code.co_filename.startswith("<"):  # <frozen importlib>, <string>
            frames.append((code.co_filename, step.tb_lineno, suite == __package__))
        step = step.tb_next
    called = [frame for caller, frame in pairwise(frames) if caller[2] and not frame[2]]
    own = [frame for frame in frames if not frame[2] and not _is_library(frame[0])]
    for candidates in (own, called, frames):
        if candidates:
            file, line, _ = candidates[-1]
            return f"{_file_name(file)}, line {line}"
    return None


def defined_at(function: Any) -> str:
    """Return ` (my_method.py, line 12)`, the place where a Python function is defined; "" for other functions."""
    import inspect  # only where something is wrong

    function = getattr(function, "fget", None) or getattr(function, "__func__", function)
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f" ({_file_name(code.co_filename)}, line {code.co_firstlineno})" if code else ""


def _file_name(file: str) -> str:
    return file.replace(chr(92), "/").rpartition("/")[2]


def _is_library(file: str) -> bool:
    """Return True for a file of the standard library or of an installed package."""
    import sysconfig  # only where something has failed

    paths = sysconfig.get_paths()
    return file.startswith(tuple(paths[name] for name in ("stdlib", "purelib", "platlib")))


def first_line(error: BaseException) -> str:
    """Return the first line of a library's long message, and the next line after a colon; else the error's type."""
    first, _, rest = str(error).strip().partition("\n")
    if first.rstrip().endswith(":"):
        first = f"{first.rstrip()} {rest.strip().partition(chr(10))[0]}".rstrip(" :")
    return first or type(error).__name__


def os_reason(error: BaseException) -> str:
    """Return why the system refused an operation: its own words if it gives any, else the message in one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def file_problem(path: object, error: Exception, verb: str = "read") -> str:
    """Return a sentence about a file that cannot be read or written, with the line if the error knows it.

    `error` comes from the system, from decoding text, or from a parser of JSON or TOML.
    """
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        encoding = error.encoding.replace("utf-8", "UTF-8")
        advice = f"save it as UTF-8, e.g. with iconv -f {likely_encoding(error.object)} -t utf-8"
        return f"'{path}', line {line}: not {encoding} text ({error.reason}); {advice}."
    if isinstance(error, (ValueError, RecursionError)):
        return _syntax_problem(path, error)
    return f"cannot {verb} '{path}': {os_reason(error)}."


def likely_encoding(content: bytes) -> str:
    """Return the most likely encoding of bytes that are not UTF-8: UTF-16 if they have its mark, else one byte each."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    unused = {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # bytes that the Windows code page assigns no character
    return "latin-1" if unused & set(content) else "cp1252"


def _syntax_problem(path: object, error: Exception) -> str:
    """Return a sentence about a file that is not JSON or TOML, or that Python refuses to read."""
    if isinstance(error, RecursionError):
        return f"'{path}' is nested too deeply."
    text = " ".join(str(error).split()).rstrip(".")
    if "integer string conversion" in text:  # Python's limit of 4300 digits
        return f"'{path}' holds an integer of thousands of digits: write a smaller one."
    language = "TOML" if str(path).endswith(".toml") else "JSON"
    return f"'{path}' is not {language}: {text}."


class Problem(NamedTuple):
    """The first problem that pydantic found in something that the user wrote.

    `path` leads to the key; it is empty if the problem concerns several keys together. `kind` says whether the key is
    unknown, missing or has a wrong value. `rule` says in words what the value must be. `value` is the wrong value.
    `names` are the existing keys if an unknown one was written.
    """

    path: tuple[str, ...]
    kind: Literal["unknown", "missing", "wrong"]
    rule: str
    value: object
    names: tuple[str, ...]

    @property
    def key(self) -> str:
        """The key, with dots between its parts."""
        return ".".join(self.path)

    @property
    def reason(self) -> str:
        """The rule, followed by the wrong value if it is short enough to show."""
        if not isinstance(self.value, (str, int, float, list, type(None))) or ", not " in self.rule:
            return self.rule
        try:
            value = repr(self.value)
        except ValueError:  # Python's limit of 4300 digits; a hexadecimal number can have more
            return f"{self.rule}, not a number of thousands of digits"
        return f"{self.rule}, not {value[:LONGEST_VALUE]}{'...' * (len(value) > LONGEST_VALUE)}"

    def sentence(self, word: str = "key", place: str = "") -> str:
        """Return the problem as a sentence; `word` is the word for a key, and `place` follows the key's name."""
        match self.kind:
            case "unknown":
                suggestion = _suggestion(self.path[-1], self.names)
                return f"unknown {word} '{self.key}'{place}: {suggestion}"
            case "missing":
                return f"missing {word} '{self.key}'{place}."
        return f"{word} '{self.key}'{place}: {self.reason}." if self.path else f"{self.reason}."


def first_problem(error: ValidationError, model: Any) -> Problem:
    """Return the first problem of one of pydantic's errors about `model`, a model or a dataclass.

    An unknown key comes first: a misspelled key is unknown, and also leaves the right key missing.
    """
    unknowns = ("unexpected_keyword_argument", "extra_forbidden")
    problems = error.errors(include_url=False, include_context=False)
    problem = next((item for item in problems if item["type"] in unknowns), problems[0])
    path, names = _located(model, problem["loc"])
    if problem["type"] in unknowns:
        return Problem(path, "unknown", "no such key exists", problem["input"], names)
    if problem["type"] == "missing":
        return Problem(path, "missing", "it is missing", None, names)
    value = ... if problem["type"] == "json_invalid" else problem["input"]
    return Problem(path, "wrong", PLAIN_RULES.get(problem["type"], plain_words(problem["msg"])), value, names)


def plain_words(message: str) -> str:
    """Return pydantic's or Typer's message about a bad value as a clause, without their own phrases."""
    plain = " ".join(message.split()).removeprefix("Value error, ").removesuffix(".")
    plain = plain.replace("Invalid JSON", "not JSON")
    return re.sub(r"^[A-Z][a-z]+ should", "it should", plain).partition(", unable to")[0]


def _located(model: Any, location: Sequence[str | int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys in pydantic's `location`, and the names that exist at the level of the last one.

    A location also names members of unions, such as `tuple[int, ...]`, which are not keys.
    """
    path: list[str] = []
    kinds, names = _members(model), {}
    for part in location:
        names = next((keys for kind in kinds if (keys := _fields(kind))), {})
        if not (names or isinstance(part, int) or any(map(_is_table, kinds))):
            continue  # the name of a union's member
        path.append(_shortened(str(part), LONGEST_KEY))
        contents = [get_args(kind)[-1 if _is_table(kind) else 0] for kind in kinds if get_args(kind)]
        inner = [names[part]] if part in names else contents
        kinds = [member for kind in inner for member in _members(kind)]
    return tuple(path), tuple(names)


def _is_table(kind: Any) -> bool:
    """Return True for types such as `dict[str, ...]`, whose keys are the user's own."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _members(kind: Any) -> list[Any]:
    """Return the members of a union, or the type itself in a list."""
    return list(get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else [kind]


def _fields(kind: Any) -> dict[str, Any]:
    """Return the types of a record's fields by key; empty for a type that is not a record."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: hints[field.name] for field in fields(kind)}
    described = getattr(kind, "model_fields", {})
    return {field.alias or name: field.annotation for name, field in described.items()}
