"""The run as a method sees it: noise, encoding, modules handed over and diagnostics."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fake_gpu import CPU, GPU, FakeGPU
from matekd_bench import NoParams, Perturbation
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.seeds import seed_of

ROWS = [3, 1, 12, 7, 5]


@pytest.fixture
def lab(rig):
    return rig()


def batch_of(lab, rows, **where):
    return lab.batch(Perturbation(NoParams(), lab.context), rows, **where)


def per_example(lab, batch, **options):
    """An example's noise at its own tokens, by its id."""
    noise = lab.context.draw(batch, "test", **options)
    return {uid: noise[row, : batch.lengths[row]] for row, uid in enumerate(batch.uids)}


def test_an_examples_noise_is_its_own_whatever_its_batch_padding_or_piece(lab):
    everything = per_example(lab, batch_of(lab, range(32)))
    for batch in (batch_of(lab, ROWS), batch_of(lab, ROWS).rows(2, 4), batch_of(lab, [7])):
        for uid, noise in per_example(lab, batch).items():
            assert noise.equal(everything[uid])


@pytest.mark.parametrize("width", [None, 6])
def test_noise_is_uniform_zero_at_padding_and_keyed_by_name(lab, width):
    batch, state = batch_of(lab, range(32)), torch.random.get_rng_state()
    noise = lab.context.draw(batch, "test", width=width)
    assert torch.random.get_rng_state().equal(state)
    assert noise.shape == (*batch.ids.shape, *(() if width is None else (width,)))
    assert noise.dtype == torch.float32
    assert set(noise[batch.mask == 0].flatten().tolist()) == {0.0}
    real = noise[batch.mask == 1]
    assert 0 <= float(real.min()) < 0.05 < 0.95 < float(real.max()) < 1
    assert abs(float(real.mean()) - 0.5) < 0.06
    key = seed_of(7, "toy-single", "test", "student", 0, batch.uids[4])
    shape = (batch.lengths[4], *(() if width is None else (width,)))
    expected = torch.rand(*shape, generator=torch.Generator().manual_seed(key))
    assert noise[4, : batch.lengths[4]].equal(expected)


def test_noise_changes_with_purpose_update_phase_and_seed(rig):
    lab, other = rig(), rig(seed=8)
    batch = batch_of(lab, ROWS)
    base = lab.context.draw(batch, "test")
    assert lab.context.draw(batch, "test").equal(base)
    for different in (
        lab.context.draw(batch, "other"),
        lab.context.draw(batch_of(lab, ROWS, update=1), "test"),
        lab.context.draw(batch_of(lab, ROWS, phase="own"), "test"),
        other.context.draw(batch, "test"),
    ):
        assert not different.equal(base)


@pytest.mark.parametrize("width", [None, 6])
def test_noise_at_chosen_positions_comes_row_by_row(lab, width):
    batch = batch_of(lab, ROWS)
    at = (lab.context.draw(batch, "mask") < 0.4) & ~batch.special
    counts = at.sum(dim=1).tolist()
    noise = lab.context.draw(batch, "test", width=width, at=at)
    assert noise.shape == (sum(counts), *(() if width is None else (width,)))
    pieces = [
        lab.context.draw(batch.rows(start, stop), "test", width=width, at=at[start:stop])
        for start, stop in ((0, 2), (2, 5))
    ]
    assert torch.cat(pieces).equal(noise)
    nowhere = lab.context.draw(batch, "test", width=width, at=torch.zeros_like(at))
    assert nowhere.shape == (0, *noise.shape[1:])


@pytest.mark.parametrize("chosen", [False, True])
@pytest.mark.parametrize(("width", "origin"), [(None, CPU), (6, GPU)])
def test_a_gpu_draws_wide_noise_itself_and_gets_the_rest_without_waiting(
    lab, monkeypatch, width, origin, chosen
):
    batch, origins = batch_of(lab, ROWS), []
    at = ~batch.special if chosen else None
    expected = lab.context.draw(batch, "test", width=width, at=at)

    def generator_on(device):
        origins.append(device)
        return torch.Generator()

    monkeypatch.setattr("matekd_bench.distill.training.run_context.generator_on", generator_on)
    lab.context.device = GPU
    with FakeGPU() as gpu:
        assert lab.context.draw(batch, "test", width=width, at=at).equal(expected)
    assert origins == [origin]
    on_gpu = ["empty" if chosen else "zeros"] if origin == GPU else []
    assert (gpu.made, gpu.sent, gpu.waited) == (on_gpu, int(origin == CPU), 0)


def test_views_of_text_are_sent_to_a_gpu_without_waiting(lab):
    lab.context.device = GPU
    with FakeGPU() as gpu:
        lab.context.collate([lab.context.encode(("a cat",))])
    assert (gpu.sent, gpu.waited) == (3, 0)


def test_perturbed_text_becomes_a_padded_view_for_student_and_teacher(lab):
    rows = [lab.context.encode((text,)) for text in ("the dog sings", "a cat")]
    assert [row.texts for row in rows] == [("the dog sings",), ("a cat",)]
    assert all(row.teacher is None for row in rows)
    view = lab.context.collate(rows, dropout=3)
    assert view.ids.shape == (2, 5)
    assert view.mask.tolist() == [[1] * 5, [1] * 4 + [0]]
    assert view.types.tolist() == [[0] * 5] * 2
    assert (view.teacher, view.labels, view.dropout) == ("same", None, 3)


def test_with_two_vocabularies_the_teacher_reads_its_own_ids(rig, other_vocabulary):
    lab = rig(teacher=other_vocabulary)
    assert not lab.context.one_vocabulary
    assert lab.context.teacher_tokens.vocabulary != lab.context.student_tokens.vocabulary
    view = lab.context.collate([lab.context.encode((text,)) for text in ("the dog sings", "a cat")])
    for ids, encoder in ((view.ids, lab.encoder), (view.teacher.ids, lab.teacher_encoder)):
        assert [encoder.decode(row.tolist()) for row in ids] == ["the dog sings", "a cat"]
    assert not view.ids.equal(view.teacher.ids)


def test_with_one_vocabulary_the_teachers_tokens_are_the_students(lab):
    assert lab.context.one_vocabulary
    assert lab.context.teacher_tokens is lab.context.student_tokens


def test_word_embeddings_are_measured_when_first_asked_for(lab):
    table = lab.student.get_input_embeddings().weight
    lengths = sorted(float(row.square().sum()) ** 0.5 for row in table.detach())
    told = lab.context.word_embeddings
    assert (told.width, told.dtype) == (32, torch.float64)
    assert told.median_norm == pytest.approx(lengths[(len(lengths) - 1) // 2], rel=1e-12)
    with torch.no_grad():
        table.mul_(2)
    assert lab.context.word_embeddings == told


def test_a_study_without_generator_says_what_to_declare(lab):
    bare = RunContext(
        task=lab.task, seed=0, device=torch.device("cpu"), precision="float32", objective=lab.objective,
        student_encoder=lab.encoder, teacher_encoder=None, meter=lab.meter, scope=lab.scope,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match=r"needs=\{'generator'\}"):
        bare.masked_lm()
    with pytest.raises(RuntimeError, match="without a student"):
        _ = bare.word_embeddings


def adversary(lab, **options):
    return lab.context.prepare(nn.Linear(3, 2), lambda weights: torch.optim.SGD(weights, lr=0.5), **options)


def test_two_modules_need_two_names_and_learn_within_updates(lab):
    trained = adversary(lab, name="one")
    adversary(lab, name="two")
    with pytest.raises(RuntimeError, match="'one'"):
        adversary(lab, name="one")
    with pytest.raises(RuntimeError, match="views"):
        trained.learn(trained(torch.zeros(1, 3)).sum(dim=1))


def test_a_modules_rate_follows_its_schedule(lab):
    falling, steady = (
        adversary(lab, name="a", schedule=lambda progress: 1 - progress),
        adversary(lab, name="b"),
    )
    for trained in (falling, steady):
        trained.set_rate(0.25)
    assert falling.optimizer.param_groups[0]["lr"] == 0.375
    assert steady.optimizer.param_groups[0]["lr"] == 0.5


def test_what_is_learned_is_divided_by_the_examples_of_the_whole_update(lab):
    trained = adversary(lab)
    batch = batch_of(lab, ROWS)
    inputs = torch.arange(15.0).reshape(5, 3)
    for start, stop in ((0, 2), (2, 5)):
        lab.scope.batch = batch.rows(start, stop)
        trained.learn(trained(inputs[start:stop]).sum(dim=1))
    assert torch.allclose(trained.module.weight.grad, inputs.mean(dim=0).expand(2, 3))
    assert trained.learned


def test_a_module_is_called_in_train_mode_with_dropout_of_its_own(lab):
    lab.scope.batch = batch_of(lab, ROWS)
    dropping = lab.context.prepare(nn.Dropout(0.5), lambda weights: torch.optim.SGD([torch.zeros(1)], lr=1.0))
    dropping.module.eval()
    ones = torch.ones(100)
    first = dropping(ones)
    assert set(first.tolist()) == {0.0, 2.0}
    torch.rand(5)
    assert dropping(ones).equal(first)
    lab.scope.batch = batch_of(lab, ROWS, update=1)
    assert not dropping(ones).equal(first)


def test_diagnostics_are_sums_of_totals_over_sums_of_counts(lab):
    lab.context.report("share", torch.tensor(3), torch.tensor(4))
    lab.context.report("share", 1, 4)
    lab.context.report("mean", torch.tensor(2.5, requires_grad=True))
    lab.context.report("never", 0.0, 0)
    assert lab.context.diagnostics() == {"mean": 2.5, "share": 0.5}


def test_what_is_decoded_is_the_students_text_without_special_tokens(lab):
    encoded = lab.context.encode(("the old dog", "a cat")).student
    assert lab.context.decode(encoded.ids) == "the old dog a cat"
    assert (
        lab.context.decode(
            [token for token, special in zip(encoded.ids, encoded.special, strict=True) if special]
        )
        == ""
    )
