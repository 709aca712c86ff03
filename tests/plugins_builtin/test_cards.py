"""The cards of methods, and what their records and parameters say."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from matekd_bench.plugins.host import Host

HOST = Host.load(only_builtin=True)
CARDS = sorted((Path(__file__).resolve().parents[2] / "docs" / "methods").glob("*.md"))
EXAMPLES = {
    card.name: re.findall(r"```pycon\n(.*?)```", card.read_text("utf-8"), re.DOTALL) for card in CARDS
}
MASKS = {"one-vocabulary", "mask-token"}
RECORDS = {  # level, role and needs
    "kd": ("none", "baseline", set()),
    "finetune": ("none", "baseline", set()),
    "random-mask": ("token", "ablation", MASKS),
    "random-token": ("token", "ablation", {"one-vocabulary"}),
    "frozen-generator": ("generator", "ablation", {"generator", *MASKS}),  # its warm-up is a cost of the run
    "matekd": ("generator", "method", {"generator", *MASKS}),
    "eda": ("text", "method", {"thesaurus"}),
    "aeda": ("text", "method", set()),
    "tinybert-aug": ("text", "method", {"generator", "mask-token"}),
    "cutoff": ("embedding", "method", {"one-vocabulary"}),
    "mixup": ("embedding", "method", {"one-vocabulary"}),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_says_its_level_role_and_needs(name):
    record = HOST.method(name).record
    assert (record.level, record.role, record.needs) == RECORDS[name]


@pytest.mark.parametrize("name", ["eda", "aeda", "nlpaug:swap", "tinybert-aug"])
def test_segments_and_the_number_of_versions_reach_the_core(rig, name):
    record = HOST.method(name).record
    views = {"num_aug": 3} if "num_aug" in record.params.model_fields else {}
    method = record.factory(record.params(segments="second", **views), rig().context)
    assert (method.segments, method.variants) == ("second", 3 if views else 1)


@pytest.mark.parametrize("card", [name for name, found in EXAMPLES.items() if found])
def test_the_example_of_a_card_is_true(card):
    (example,) = EXAMPLES[card]
    test = doctest.DocTestParser().get_doctest(example, {}, card, card, 0)
    assert (len(test.examples) > 3, doctest.DocTestRunner().run(test).failed) == (True, 0)


def test_three_cards_have_examples():
    assert [name for name, found in EXAMPLES.items() if found] == ["aeda.md", "eda.md", "nlpaug.md"]
