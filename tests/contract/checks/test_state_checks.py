"""What methods carry on: through pieces of an update, and through an interruption."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from faulty_methods import failed, method
from matekd_bench import Cycle, NoParams, Perturbation, TokenPerturbation
from matekd_bench.testing import check, subject_of


class Rare(TokenPerturbation[NoParams]):
    """Masks what was rarely seen, and saves what it has seen."""

    needs = frozenset({"one-vocabulary", "mask-token"})
    often = 3

    def __init__(self, params, context):
        super().__init__(params, context)
        self.seen = torch.zeros(context.student_tokens.size, dtype=torch.long)

    def perturb(self, batch, maskable):
        if batch.offset == 0:  # once an update, also where it comes in pieces
            self.seen += torch.bincount(batch.whole.ids.flatten(), minlength=len(self.seen))
        return batch.ids.masked_fill(
            (self.seen[batch.ids] < self.often) & maskable, self.context.student_tokens.mask
        )

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"].clone()


class Forgetful(Rare):
    """Saves nothing."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class HalfLoaded(Rare):
    """Saves, and does not load."""

    def load_state_dict(self, state):
        pass


class CountingPieces(Rare):
    """Counts each piece as an update."""

    def perturb(self, batch, maskable):
        self.seen += 1
        return batch.ids


class WarmedUp(Rare):
    """Saves all but what it learned in the warm-up, which a resumed run does not repeat."""

    def warm_up(self, batches, models):
        self.often = 20


@pytest.mark.parametrize(
    ("factory", "checks"),
    [
        (Rare, set()),
        (Forgetful, {"resume"}),
        (HalfLoaded, {"resume"}),
        (WarmedUp, {"resume"}),
        (CountingPieces, {"pieces"}),
    ],
)
def test_state_is_carried_on(factory, checks):
    record = method(factory, "token", needs=factory.needs)
    assert set(failed(record, "pieces", "resume")) == checks


class Reporting(Perturbation[NoParams]):
    """Reports the number of rows: one number a piece, or as a sum over rows."""

    share = True

    def views(self, batch, models):
        seen = yield batch.clean
        loss = seen.loss.sum()
        self.context.report("loss", *((loss, len(batch)) if self.share else (loss / len(batch),)))


class ReportingPieces(Reporting):
    share = False


def test_diagnostics_of_pieces_are_those_of_the_whole():
    assert failed(method(Reporting, "none"), "pieces") == {}
    [result] = failed(method(ReportingPieces, "none"), "pieces").values()
    assert "context.report.loss" in result.happened


class Float32(Perturbation[NoParams]):
    """Trains a module in float32, whose gradients round at 1e-7, and weights its losses with `weight`."""

    cycle = Cycle(auxiliary=1, student=2)

    def __init__(self, params, context):
        super().__init__(params, context)
        net = nn.Linear(context.word_embeddings.width, 1)
        self.table = torch.randn(context.student_tokens.size, net.in_features)
        self.net = context.prepare(net, lambda weights: torch.optim.Adam(weights, lr=0.01), name="net")

    def weight(self, batch):
        """Return the weight of a row's loss."""
        return 1.0

    def views(self, batch, models):
        if batch.phase == "student":
            yield batch.clean
            return
        inputs = (self.table[batch.ids] * batch.mask.unsqueeze(-1)).sum(dim=1)
        self.net.learn(self.net(inputs).squeeze(-1).sigmoid() * self.weight(batch))


class Float32Mean(Float32):
    """Divides by the number of rows of the piece."""

    def weight(self, batch):
        return 1 / len(batch)


def test_the_tolerance_follows_the_coarsest_gradient():
    [result] = check(subject_of(method(Float32, "none")), ["pieces"])
    assert result.state == "passed", str(result)
    assert set(failed(method(Float32Mean, "none"), "pieces")) == {"pieces"}
