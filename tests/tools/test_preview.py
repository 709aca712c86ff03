"""Previews show what methods do: texts, what was changed, and the answers that belong to them."""

from __future__ import annotations

import pytest
import torch

from matekd_bench.distill.token_texts import segments
from matekd_bench.events import Sink
from matekd_bench.methods.edits import edits_between
from matekd_bench.plugins.host import Host
from matekd_bench.study.spec.request import StudyRequest, make_request
from matekd_bench.tools.preview import preview
from matekd_bench.tools.preview_examples import Preview

HOST = Host.load(only_builtin=True)


@pytest.fixture(scope="module")
def request_of(tiny_checkpoint, tmp_path_factory):
    """Requests on mini-RTE with tiny networks."""
    config = tmp_path_factory.mktemp("preview") / "tiny.toml"
    config.write_text('preset = "mini"\n[teacher]\nbudget = { limit = 4 }\n', encoding="utf-8")

    def make(methods: str, **options) -> StudyRequest:
        settings = {
            "methods": methods, "tasks": "rte", "config": config, "reference": "none", "teacher": str(tiny_checkpoint),
            "student": "layers:2", "generator": "layers:2", "device": "cpu",
        }  # fmt: skip
        return make_request({**settings, **options}, HOST)

    return make


@pytest.fixture(scope="module")
def found(request_of) -> Preview:
    """One preview of methods of every level."""
    return look(request_of("eda,kd,random-mask,freelb,cutoff,matekd"))


def look(request: StudyRequest, **options) -> Preview:
    return preview(request, HOST, Sink(), **{"examples": 4, **options})


def of(found: Preview, name: str):
    return next(one for one in found.methods if one.method.partition("[")[0] == name)


def test_every_method_shows_the_same_rows(found):
    assert (found.task, found.classes) == ("mini-rte", ("entailment", "not_entailment"))
    rows = [[example.uid for example in one.examples] for one in found.methods]
    assert rows == [rows[0]] * 6
    assert len(set(rows[0])) == 4
    assert found.rows == 64


def test_a_text_method_shows_its_texts_and_how_much_changed(found):
    eda = of(found, "eda")
    for example in eda.examples:
        [version] = example.versions
        assert version.shift is None
        assert version.texts is None or edits_between(example.texts, version.texts)[0] > 0
        assert version.teacher is not None
    assert any(example.versions[0].texts for example in eda.examples)
    assert 0.02 < eda.diagnostics["changed"] < 0.3
    assert eda.diagnostics["shift"] is None


def test_masked_tokens_are_visible_and_their_share_is_of_tokens(found):
    masked = of(found, "random-mask")
    assert all("[MASK]" in " ".join(example.versions[0].texts) for example in masked.examples)
    assert all("[MASK]" not in " ".join(example.texts) for example in masked.examples)
    assert all(len(example.texts) == 2 for example in masked.examples)
    shares = masked.diagnostics
    assert (shares["changed"], shares["texts_unchanged"]) == (pytest.approx(0.3, abs=0.05), 0)


def test_erased_tokens_are_missing(found):
    for example in of(found, "cutoff").examples:
        [version] = example.versions
        assert len("".join(version.texts)) < len("".join(example.texts))


def test_a_pass_that_moves_nothing_is_not_shown(request_of):
    """A method that looks for the gradient at the clean embeddings first moves them only afterwards."""
    [_, freelb] = look(request_of("kd,freelb[init_mag=0]")).methods
    assert all(len(example.versions) == 2 for example in freelb.examples)
    assert all(version.shift > 0 for example in freelb.examples for version in example.versions)


def test_an_embedding_method_shows_how_far_it_went(found):
    freelb = of(found, "freelb")
    for example in freelb.examples:
        assert len(example.versions) == 3
        assert all(version.texts is None and version.teacher is None for version in example.versions)
        assert 0 < example.versions[0].shift < example.versions[2].shift < 1
    sizes = [version.shift for example in freelb.examples for version in example.versions]
    assert min(sizes) < freelb.diagnostics["shift"] < max(sizes)
    assert (freelb.diagnostics["changed"], freelb.diagnostics["teacher_flip_rate"]) == (None, None)


def test_the_control_perturbs_nothing(found):
    kd = of(found, "kd")
    assert all(example.versions == () for example in kd.examples)
    assert kd.diagnostics["divergence_perturbed"] is None
    assert kd.diagnostics["divergence_clean"] == of(found, "eda").diagnostics["divergence_clean"]


def test_answers_are_probabilities_and_the_clean_ones_are_the_same_for_all(found):
    clean = [[(one.teacher, one.student) for one in method.examples] for method in found.methods]
    assert clean == [clean[0]] * 6
    for example in of(found, "eda").examples:
        for answer in (example.teacher, example.student, example.versions[0].teacher):
            assert sum(answer) == pytest.approx(1, abs=1e-5)


def test_training_first_moves_the_student_and_leaves_the_rows(request_of, found):
    trained = look(request_of("kd"), examples=2, updates=3)
    before, after = of(found, "kd"), of(trained, "kd")
    assert trained.updates == 3
    assert [one.uid for one in after.examples] == [one.uid for one in before.examples[:2]]
    assert after.examples[0].teacher == before.examples[0].teacher
    assert after.examples[0].student != before.examples[0].student


def test_another_seed_shows_other_rows(request_of, found):
    other = look(request_of("kd", first_seed=1))
    assert {one.uid for one in of(other, "kd").examples} != {one.uid for one in of(found, "kd").examples}


def test_the_global_random_state_is_left_alone(request_of):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    look(request_of("kd"), examples=1)
    assert torch.get_rng_state().equal(before)


def test_segments_are_the_runs_between_special_tokens():
    special = torch.tensor([1, 0, 0, 1, 1, 0, 1, 1]).bool()
    first, second = segments(special)
    assert first.nonzero().flatten().tolist() == [1, 2]
    assert second.nonzero().flatten().tolist() == [5]
    assert segments(torch.ones(3).bool()) == []


def test_a_regression_shows_scores_in_the_units_of_the_task(request_of):
    [kd] = look(request_of("kd", tasks="stsb")).methods
    scores = HOST.tasks["mini-stsb"].record.reader("train").labels
    assert {example.label for example in kd.examples} <= {f"{score:g}" for score in scores}
    mean = sum(scores) / len(scores)
    assert all(abs(example.teacher[0] - mean) < 1.5 for example in kd.examples)  # one deviation, about
