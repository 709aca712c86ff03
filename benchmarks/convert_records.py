"""Rewrite the records of a results folder from schema `matekd.run/1` to `matekd.run/2`.

`python benchmarks/convert_records.py DIR`. No number changes: fields, and the arrays in `predictions.npz`, get
their new names, and the digest of that file is taken again. Run ids stay as they were, so these runs are not those
that a new study with the same settings would train. It converts the committed reference studies and goes when new
ones take their place.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
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


def main() -> int:
    """Convert every run of a folder in place."""
    from matekd_bench.results.records.run_record import from_json, to_json

    for path in sorted(Path(sys.argv[1], "runs").glob("*/record.json")):
        record = convert(json.loads(path.read_text(encoding="utf-8")))
        predictions = path.with_name("predictions.npz")
        if predictions.exists():
            content = convert_predictions(predictions.read_bytes())
            predictions.write_bytes(content)
            record["predictions"]["sha256"] = hashlib.sha256(content).hexdigest()
        path.write_text(to_json(from_json(json.dumps(record))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
