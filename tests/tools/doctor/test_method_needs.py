"""What a method needs, and whether this machine has it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from matekd_bench import Method, Perturbation, Preset
from matekd_bench.cli import main
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.loading import new_manager
from matekd_bench.plugins.origin import ProvidedBy
from matekd_bench.plugins.provided import Provided
from matekd_bench.tools.doctor.method_needs import needs

BY = ProvidedBy("probe", "probe-package", "1.0")


def host(*presets: Preset) -> Host:
    offered = {preset.name: Provided(preset, BY) for preset in presets}
    return Host({}, {}, {}, (), {}, {}, presets=offered, manager=new_manager())


def found(*names: str, presets: tuple[Preset, ...] = ()) -> dict[str, tuple[str, str, str]]:
    method = Method(
        name="probe", summary="", factory=Perturbation, level="token", version="1", needs=frozenset(names)
    )
    return {one.name: (one.state, one.text, one.todo) for one in needs(method, host(*presets))}


def test_models_are_looked_for_in_the_presets_that_are_on_this_machine() -> None:
    lab = Preset(
        name="lab",
        settings={"teacher": {"checkpoint": "/nowhere/at/all"}, "student": {"checkpoint": "layers:2"}},
    )
    short = Preset(name="short", settings={"preset": "lab", "teacher": "/nowhere/else"})
    broken = Preset(name="broken", settings={"preset": "mini", "budget": "much"})  # costs only itself
    checks = found("generator", "one-vocabulary", "mask-token", presets=(lab, short, broken))
    assert list(checks) == ["generator", "mask-token", "one-vocabulary"]
    for state, text, _ in checks.values():
        assert state == "ok"
        assert re.search(r"in the (preset mini|presets mini, minilm);", text)
        assert not [absent for absent in ("lab", "short", "broken", "paper-roberta") if absent in text]


def test_wordnet_is_there_or_the_command_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matekd_bench.tools.doctor.method_needs.find_wordnet", lambda: None)
    assert found("thesaurus") == {
        "thesaurus": (
            "missing", "no WordNet here: a smaller stand-in is used", "python -m nltk.downloader wordnet"
        )
    }  # fmt: skip
    monkeypatch.setattr("matekd_bench.tools.doctor.method_needs.find_wordnet", lambda: tmp_path)
    assert found("thesaurus") == {"thesaurus": ("ok", f"WordNet at {tmp_path}", "")}


def test_a_need_that_nobody_knows_is_a_problem() -> None:
    assert found("telepathy")["telepathy"][0] == "problem"


def test_show_prints_needs_parameters_and_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "show", "matekd"]) == 0
    out = capsys.readouterr().out
    for part in (
        "needs\nok       generator: a masked language model: in the preset", "one-vocabulary: ", "mask_rate",
        "> 0, < 1", "Rashid", "matekd-bench 0.",
    ):  # fmt: skip
        assert part in out
    assert main(["methods", "show", "kd", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["needs_here"] == []
