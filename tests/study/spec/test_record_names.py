"""Names in options, config files and presets: understood as papers write them, kept as the records do."""

from __future__ import annotations

from pathlib import Path

from matekd_bench.plugins.host import Host
from matekd_bench.study.plan.grid import chosen_methods, chosen_tasks
from matekd_bench.study.spec.request import make_request

HOST = Host.load((), only_builtin=True)
CONFIG = """
reference = "MATE-KD"
[sets.EDA]
alpha = 0.3
insert = false
[budget]
tasks = { SST-2 = 7, RTE = 9 }
[teacher.budget.tasks]
STS-B = 5
"""


def test_names_of_papers_are_those_of_the_records(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(CONFIG, encoding="utf-8")
    spec = make_request(
        {
            "methods": "Worst-of-N[AEDA|EDA[alpha=0.2]],EDA@2x",
            "tasks": "RTE, SST-2,mini-GLUE",
            "config": file,
            "sets": ["EDA.insert=true"],
        },
        HOST,
    ).spec
    assert spec.methods == "worst-of-n[aeda|eda[alpha=0.2]],eda@2x"
    assert (spec.reference, spec.tasks) == ("matekd", "rte, sst2,mini-glue")
    assert {key: spec.sets[key] for key in ("eda.alpha", "eda.insert")} == {
        "eda.alpha": "0.3",
        "eda.insert": "true",
    }
    assert spec.set_by_user == ("eda.alpha", "eda.insert")
    assert spec.budget.tasks == {"mini-sst2": 7, "mini-rte": 9}
    assert spec.teacher.budget.tasks == {"mini-stsb": 5}
    assert [method.names for method in chosen_methods(spec, HOST)][1:] == [
        ("worst-of-n", "aeda"),
        ("worst-of-n", "eda"),
        ("eda",),
    ]
    assert chosen_tasks("mini-rte", HOST) == chosen_tasks("rte", HOST, stand_ins=True)
