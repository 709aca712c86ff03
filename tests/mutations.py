"""Seeded damage to files and folders, as a disk or a stranger would do it."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

EVIL = "\x1b]0;owned\x07\x1b[2J\u202e=cmd|'/c calc'!A0<script>$(x)`"
HUGE = "9" * 5000
VALUES = (
    *(
        None,
        True,
        -1,
        0,
        3,
        10**12,
        10**30,
        1e300,
        -0.0,
        "",
        EVIL,
        "x" * 100_000,
        "é漢\x00\n",
        "../../secret/a",
    ),
    *([], {}, [[]], {"a": {}}, ["a", 1], [10**9], "NaN", float("nan"), float("inf")),
)


def damage_file(path: Path, rng: random.Random, outside: Path) -> str:
    """Damage a file in one of many ways, and return the way."""
    structured = path.suffix in STRUCTURED and rng.random() < 0.6
    kinds = STRUCTURED[path.suffix] if structured else ANY_FILE
    kind = rng.choice(kinds)
    if kind in PATH_KINDS:
        kind(path, rng, outside)
    else:
        path.write_bytes(kind(path.read_bytes(), rng))
    return f"{kind.__name__} {path.name}"


def flip(content: bytes, rng: random.Random) -> bytes:
    flipped = bytearray(content)
    for _ in range(rng.choice((1, 3, 30))):
        if flipped:
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def nuls(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + bytes(rng.choice((1, 8, 4096))) + content[place:]


def noise(content: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 100, 10_000)))


def repeated(content: bytes, rng: random.Random) -> bytes:
    return content * 2


def fifo(path: Path, rng: random.Random, outside: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, rng: random.Random, outside: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path, rng: random.Random, outside: Path) -> None:
    """The file itself, moved outside, behind a link."""
    path.unlink()
    path.symlink_to(outside / "a")


def dangling(path: Path, rng: random.Random, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside / "nothing")


def loop(path: Path, rng: random.Random, outside: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def locked(path: Path, rng: random.Random, outside: Path) -> None:
    path.chmod(0)


def absent(path: Path, rng: random.Random, outside: Path) -> None:
    path.unlink()


def huge(path: Path, rng: random.Random, outside: Path) -> None:
    os.truncate(path, 2**40)


def json_value(content: bytes, rng: random.Random) -> bytes:
    """Another value at a random place."""
    plain = json.loads(content)
    parent, key = rng.choice(list(_places(plain)))
    parent[key] = rng.choice(VALUES)
    return json.dumps(plain).encode()


def json_number(content: bytes, rng: random.Random) -> bytes:
    """A number that is none in JSON, or is too long for Python, in place of another one."""
    plain = json.loads(content)
    places = [(parent, key) for parent, key in _places(plain) if type(parent[key]) in (int, float)]
    if not places:
        return content
    parent, key = rng.choice(places)
    parent[key] = "@number@"
    number = rng.choice((HUGE, f"-{HUGE}", "1e400", "-1e400", "NaN", "Infinity", "-0.0", "1E-400", "0x10"))
    return json.dumps(plain).replace('"@number@"', number).encode()


def json_keys(content: bytes, rng: random.Random) -> bytes:
    """A key that is gone, new, hostile or twice there."""
    plain = json.loads(content)
    tables = [plain, *(parent[key] for parent, key in _places(plain) if isinstance(parent[key], dict))]
    tables = [table for table in tables if isinstance(table, dict) and table]
    if not tables:
        return content
    table = rng.choice(tables)
    key = rng.choice(list(table))
    change = rng.choice(("gone", "new", "renamed", "twice"))
    if change == "twice":
        first = json.dumps({key: table[key]})[1:-1]
        return content.replace(b"{", b"{" + first.encode() + b", ", 1)
    value = table[key] if change == "new" else table.pop(key)
    if change != "gone":
        table[rng.choice((EVIL, "__class__", "é漢", "a.b", ""))] = value
    return json.dumps(plain).encode()


def json_depth(content: bytes, rng: random.Random) -> bytes:
    """JSON nested a hundred thousand deep, as a whole or as one value."""
    depth = rng.choice((200, 100_000))
    deep = rng.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth))
    if rng.random() < 0.5:
        return deep.encode()
    plain = json.loads(content)
    parent, key = rng.choice(list(_places(plain)))
    parent[key] = "@deep@"
    return json.dumps(plain).replace('"@deep@"', deep).encode()


def toml_value(content: bytes, rng: random.Random) -> bytes:
    """Another value in one line of a config file."""
    lines = content.decode().splitlines()
    place = rng.choice([number for number, line in enumerate(lines) if "=" in line])
    values = (
        *("inf", "-inf", "nan", "-0.0", "1e400", HUGE, f"0x{'f' * 5000}", f"1{'0' * 31}", "-1"),
        *("0", "true", "[]", "{}", "'x'", f"'{'x' * 100_000}'", "[[1]]", "1979-05-27", '"\\u001b]0;owned\\u0007"'),
        *("[" * 100_000 + "]" * 100_000, '"', "1.5", "{ a = 1 }", "'../../secret/a'"),
    )  # fmt: skip
    lines[place] = f"{lines[place].partition('=')[0]}= {rng.choice(values)}"
    return "\n".join(lines).encode()


def toml_key(content: bytes, rng: random.Random) -> bytes:
    """A key that is unknown, twice there or hostile."""
    lines = content.decode().splitlines()
    place = rng.randrange(len(lines))
    new = rng.choice(
        (lines[place], "unknown = 1", '"\\u001b[2J" = 1', "[training]", "[[budget]]", "a.b.c = 1", "=")
    )
    return "\n".join([*lines[:place], new, *lines[place:]]).encode()


def bad_zip(content: bytes, rng: random.Random) -> bytes:
    """Predictions with an array of another name, type or shape."""
    with np.load(io.BytesIO(content)) as arrays:
        plain: dict[str, Any] = dict(arrays)
    name = rng.choice(list(plain))
    array = plain.pop(name)
    other = rng.choice(
        (np.array([{"a": 1}], dtype=object), array[:-1], array.astype("U5"), np.zeros((2, 0, 3)), array[0], array.T,
         np.full(array.shape, np.nan), array.astype(np.complex64) if array.dtype.kind == "f" else array[::2])
    )  # fmt: skip
    plain[rng.choice((name, "../../evil", "eval99__dev", EVIL, "uids__x"))] = other
    file = io.BytesIO()
    np.savez(file, **{key.replace("\x00", ""): value for key, value in plain.items()})
    return file.getvalue()


def bomb(content: bytes, rng: random.Random) -> bytes:
    """A zip whose one array says to have 4 GB, or has them."""
    file, head = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (2**30, 2)})
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("eval01__dev.npy", head.getvalue() + bytes(2**20))
    return file.getvalue()


def tensors(content: bytes, rng: random.Random) -> bytes:
    """Weights with another header: its length, or a type, a shape or a place in it."""
    length = int.from_bytes(content[:8], "little")
    if rng.random() < 0.3:
        return rng.choice((2**62, 0, length + 8, 10**8)).to_bytes(8, "little") + content[8:]
    header = json_value(content[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _places(plain: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in nested JSON data, as the container and the key or index."""
    pairs = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in pairs:
        yield plain, key
        yield from _places(value)


Kind = Callable[..., Any]
PATH_KINDS: tuple[Kind, ...] = (fifo, folder, link, dangling, loop, locked, absent, huge)
ANY_FILE: tuple[Kind, ...] = (flip, cut, nuls, noise, repeated, *PATH_KINDS)
JSON_KINDS: tuple[Kind, ...] = (json_value, json_value, json_number, json_keys, json_depth)
STRUCTURED: dict[str, tuple[Kind, ...]] = {
    ".json": JSON_KINDS,
    ".toml": (toml_value, toml_value, toml_key),
    ".npz": (bad_zip, bomb),
    ".safetensors": (tensors,),
}


def damage_folder(folder: Path, rng: random.Random, outside: Path) -> str:
    """Give a folder a hostile name, or put a link or a file in its place."""
    kind = rng.choice(("name", "link", "file", "empty"))
    if kind == "name":
        folder.rename(
            folder.with_name(
                rng.choice((f"a{EVIL.replace('/', '')}", "é漢", "a\nerror: b", "-rf", "x" * 250, " "))
            )
        )
        return kind
    kept = outside / "kept"
    folder.rename(kept)
    if kind == "link":
        folder.symlink_to(kept)
    elif kind == "file":
        folder.write_text("x")
    else:
        folder.mkdir()
    return kind
