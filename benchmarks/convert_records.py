"""Bring the runs of a results folder of version 0.1 to the form that this version writes.

`python benchmarks/convert_records.py DIR`, from the project's root. No number changes. Records of schema
`matekd.run/1` become `matekd.run/2`: fields, and the arrays in `predictions.npz`, get their new names, and the digest
of that file is taken again. Every run gets its `study.json`, made from its command, in which the GLUE folder is `DIR`.
Run ids stay as they were, so these runs are not those that a new study with the same settings would train. It
converts the committed reference studies and goes when new ones take their place.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

BASELINES = ("kd", "finetune")


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1, as JSON has it, under the names of schema 2; the digest of the predictions is not new."""
    identity, hparams, selection = (dict(record[name]) for name in ("identity", "hparams", "selection"))
    control = identity.pop("control")
    identity["role"] = (
        "method" if not control else "baseline" if identity["method"] in BASELINES else "ablation"
    )
    for old, new in (("looks", "evaluations"), ("own_updates", "auxiliary_updates")):
        if old in hparams:
            hparams[new] = hparams.pop(old)
    if "overrides" in hparams:
        hparams["overrides"] = {_setting(name): value for name, value in hparams["overrides"].items()}
    compute = dict(record["compute"])
    compute["auxiliary_updates"] = compute.pop("own_updates")
    selection = {"rule": selection["rule"], "evals": selection["looks"], "best_eval": selection["best_look"]}
    curve = [
        {"eval": item["look"], **{key: item[key] for key in item if key != "look"}}
        for item in record["curve"]
    ]
    changed = {
        "identity": identity,
        "hparams": hparams,
        "compute": compute,
        "selection": selection,
        "curve": curve,
    }
    return {**record, **changed, "schema": "matekd.run/2"}


def _setting(name: str) -> str:
    """The dotted name of a setting as it is called now."""
    names = {"optimiser": "optimizer", "looks": "evaluations", "own_updates": "auxiliary_updates"}
    return ".".join(names.get(part, part) for part in name.split("."))


def convert_predictions(content: bytes) -> bytes:
    """The same arrays under the names `eval01__dev`, ...; equal content gives equal bytes."""
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        renamed: dict[str, Any] = {name.replace("look", "eval", 1): arrays[name] for name in arrays.files}
    file = io.BytesIO()
    np.savez_compressed(file, **renamed)
    return file.getvalue()


@lru_cache
def settings_of(command: str) -> dict[str, Any]:
    """The settings of the study of a recorded `run` command, each of whose options takes a value."""
    from matekd_bench.plugins.host import Host
    from matekd_bench.study.spec.request import make_request

    _, _, *words = shlex.split(command)
    named = zip(words[::2], words[1::2], strict=True)
    options: dict[str, Any] = {name.removeprefix("--").replace("-", "_"): value for name, value in named}
    return make_request({**options, "glue_dir": "DIR"}, Host.load()).spec.model_dump(mode="json")


def convert_record(path: Path) -> None:
    """Rewrite a record of schema 1, and its predictions, under the names of schema 2."""
    from matekd_bench.results.records.run_record import from_json, to_json

    record = convert(json.loads(path.read_text(encoding="utf-8")))
    predictions = path.with_name("predictions.npz")
    if predictions.exists():
        content = convert_predictions(predictions.read_bytes())
        predictions.write_bytes(content)
        record["predictions"]["sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(to_json(from_json(json.dumps(record))), encoding="utf-8")


def main() -> int:
    """Convert every run of a folder in place."""
    for path in sorted(Path(sys.argv[1], "runs").glob("*/record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] == "matekd.run/1":
            convert_record(path)
        study = {"schema": "matekd.study/2", "spec": settings_of(record["provenance"]["command"])}
        text = json.dumps(study, indent=1, ensure_ascii=False) + "\n"
        path.with_name("study.json").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
