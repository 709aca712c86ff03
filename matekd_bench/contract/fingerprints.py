"""Fingerprints of a method's updates, and the description from which another process makes the same method."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from matekd_bench.contract.bench import Bench
from matekd_bench.contract.global_random import seeded
from matekd_bench.contract.subject import Subject, made_by
from matekd_bench.methods.method import Method
from matekd_bench.methods.wrapping import WrapperPair, combined_record
from matekd_bench.plugins.host import Host

UPDATES = 2


def fingerprint(subject: Subject) -> dict[str, str]:
    """Return a text for each thing that must be the same in every process, in the order in which it is made.

    Perturbed texts are included unchanged, so that a message can quote them; everything else is included as a digest.
    """
    with seeded(1):
        bench = Bench(subject, "pairs", dropout=True)
        entries: dict[str, str] = {}
        for number in range(UPDATES):
            for phase in reversed(bench.phases):
                update = bench.update(phase, number=number)
                where = (
                    f"of update {number + 1}" if phase == "student" else f"of auxiliary update {number + 1}"
                )
                for index, view in enumerate(update.views, start=1):
                    for uid, texts in zip(update.batch.uids, bench.texts_of(view) or (), strict=False):
                        entries[f"the text of {uid} in view {index} {where}"] = " / ".join(texts)
                    entries[f"view {index} {where}"] = _digest([view.ids, view.mask, view.types, view.shift])
                entries[f"the gradient {where}"] = _digest([update.loss, update.grads])
        entries["state_dict()"] = _digest(bench.method.state_dict())
        entries["the diagnostics"] = _digest(
            [bench.method.diagnostics(), bench.session.context.diagnostics()]
        )
    return entries


def _digest(value: Any) -> str:
    """Return a digest of tensors, numbers, texts, lists and dictionaries."""
    sha = hashlib.sha256()
    _feed(value, sha.update)
    return sha.hexdigest()


def _feed(value: Any, add: Callable[[bytes], None]) -> None:
    """Add a value and what is in it to a digest; dictionaries in the order of their keys."""
    if isinstance(value, Mapping):
        value = [part for key in sorted(value, key=str) for part in (key, value[key])]
    if isinstance(value, (list, tuple)):
        for part in value:
            _feed(part, add)
    elif isinstance(value, Tensor):
        add(f"{value.dtype}{tuple(value.shape)}".encode())
        add(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    else:
        add(f"{type(value).__name__} {value!r}".encode())


def address(subject: Subject) -> dict[str, Any]:
    """Return everything that another process needs to make the same subject, as JSON values."""
    host = Host.latest
    return {
        "name": subject.name,
        "path": [os.path.abspath(folder) for folder in sys.path],
        "files": [str(file) for file in host.files] if host else [],
        "only_builtin": host.only_builtin if host else False,
        "threads": torch.get_num_threads(),
        "params": subject.params.model_dump(mode="json"),
        "record": _described(subject.record),
    }


def _described(record: Method) -> dict[str, Any]:
    """Describe the parts of a record on which an update depends."""
    pair = getattr(record.factory, "__self__", None)
    description = {
        "factory": _reference(made_by(record)),
        "params": _reference(record.params),
        **{name: getattr(record, name) for name in ("name", "level", "version", "wraps", "role")},
        "needs": sorted(record.needs),
    }
    if isinstance(pair, WrapperPair):
        description["inner"] = _described(pair.inner)
        description["inner_params"] = pair.inner_params.model_dump(mode="json")
    return description


def _reference(code: Any) -> str | None:
    """Return the name under which a class or function can be imported; None if there is none."""
    reference = f"{getattr(code, '__module__', '')}:{getattr(code, '__qualname__', '')}"
    try:
        return reference if _imported(reference) is code else None
    except (ImportError, AttributeError, ValueError):
        return None


def subject_at(address: Mapping[str, Any]) -> Subject:
    """Make the subject that another process described, among the plugins that this process has loaded.

    Raises an exception of any kind if that is not possible.
    """
    record = _record(address["record"])
    return Subject(address["name"], record, record.params.model_validate(address["params"]))


def _record(description: Mapping[str, Any]) -> Method:
    """Make a record that trains like the described one."""
    factory, params = description["factory"], description["params"]
    if factory is None or params is None:
        # The factory was made by functools.partial or a function: the plugin's hook makes it here too.
        assert Host.latest is not None
        record = Host.latest.method(description["name"]).record
    else:
        record = Method(
            name=description["name"], summary="", factory=_imported(factory), params=_imported(params),
            level=description["level"], version=description["version"], wraps=description["wraps"],
            role=description["role"], needs=frozenset(description["needs"]),
        )  # fmt: skip
    if "inner" not in description:
        return record
    inner = _record(description["inner"])
    return combined_record(record, inner, inner.params.model_validate(description["inner_params"]))


def _imported(reference: str) -> Any:
    """Import the class or function with this reference."""
    module, _, path = reference.partition(":")
    code: Any = importlib.import_module(module)
    for name in path.split("."):
        code = getattr(code, name)
    return code
