"""Chapter 03's failure lab really fails and really recovers; the equations of the game against trusted numbers.

The toy is the notebook's own: its definitions are read from the code cells, so chapter and test cannot part ways.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.config import ROOT, generator
from mjcourse.metrics.distribution import density_coverage
from mjcourse.models.gan import LOSSES, discriminator_loss, generator_loss, gradient_penalty

WANTED = {
    "SEEDS", "BATCH", "Crowd", "MODES", "RADIUS", "SPREAD", "angle", "CENTRES", "ring", "scores", "Played", "ADAM",
    "play", "CALM", "MAIN", "PLAIN", "dirac", "arc",
}  # fmt: skip


def names_of(node: ast.stmt) -> set[str]:
    """Return the names that a top-level statement binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def chapter() -> SimpleNamespace:
    """Return the toy of chapter 03 as the notebook defines it, on the CPU."""
    space = {
        "torch": torch, "nn": nn, "F": F, "np": np, "math": math, "partial": partial, "pairwise": pairwise,
        "dataclass": dataclass, "generator": generator, "DEVICE": torch.device("cpu"),
        "discriminator_loss": discriminator_loss, "generator_loss": generator_loss,
        "gradient_penalty": gradient_penalty,
    }  # fmt: skip
    found: set[str] = set()
    for cell in nbformat.read(ROOT / "notebooks" / "03_gan.ipynb", as_version=4).cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            if names_of(node) and names_of(node) <= WANTED:
                exec(compile(ast.Module([node], []), "03_gan", "exec"), space)
                found |= names_of(node)
    assert found == WANTED, f"the chapter no longer defines {WANTED - found}"
    return SimpleNamespace(**space)


@pytest.fixture(scope="module")
def toy():
    return chapter()


@pytest.fixture(scope="module")
def games(toy):
    """Play every fault and the healthy game, three seeds each."""
    rounds = 350
    faults = {name: how for name, how in toy.MAIN.items() if name}
    played = {name: toy.play(rounds=rounds, **how) for name, how in faults.items()}
    played["frozen"] = toy.play(rounds=rounds, **faults["saturated"], for_g=toy.PLAIN)
    played["thawed"] = toy.play([toy.CALM], rounds, head_start=250, for_g=toy.PLAIN)
    played["healthy"] = toy.play([toy.CALM], rounds)
    return played


def modes(toy, game) -> float:
    return toy.scores(game.points())[0].float().mean().item()


def good(toy, game) -> float:
    return toy.scores(game.points())[1].mean().item()


def covered(toy, game) -> float:
    """Return coverage (Naeem et al. 2020) of real points by made ones, mean over seeds."""
    real = toy.ring(500, generator(8))
    return float(np.mean([density_coverage(r, m)[1] for r, m in zip(real, game.points(500).nan_to_num(), strict=True)]))


# ---- the failure lab -----------------------------------------------------------------------------


def test_the_healthy_game_covers_the_ring(toy, games):
    assert modes(toy, games["healthy"]) >= 6.5
    assert good(toy, games["healthy"]) > 0.3
    assert covered(toy, games["healthy"]) > 0.25


def test_a_hasty_generator_collapses(toy, games):
    assert modes(toy, games["collapse"]) <= 3
    assert covered(toy, games["collapse"]) < 0.5 * covered(toy, games["healthy"])


def test_a_missing_detach_spoils_the_generator(toy, games):
    assert modes(toy, games["no-detach"]) <= 4
    assert good(toy, games["no-detach"]) < good(toy, games["healthy"])
    # it comes to rest where its pictures are still told apart, and the healthy one does not
    gap = {name: (games[name].real[-100:] - games[name].fake[-100:]).mean() for name in ("no-detach", "healthy")}
    assert gap["no-detach"] > gap["healthy"] + 0.3


def test_a_saturated_discriminator_gives_no_gradient(toy, games):
    healthy, saturated = games["healthy"].norm[0], games["saturated"].norm[0]
    assert (saturated < 0.05 * healthy).all()
    assert saturated.median() < 1e-4 * healthy.median()
    assert games["saturated"].fake[0].max() < -6  # D is sure of itself


def test_without_a_gradient_plain_descent_stands_still(toy, games):
    assert modes(toy, games["frozen"]) <= 1
    assert modes(toy, games["thawed"]) >= 5
    assert games["thawed"].norm.median() > 0.1


def test_without_detach_the_discriminators_loss_reaches_the_generator(toy):
    for detach in (True, False):
        G, D = toy.Crowd(1, (2, 32, 32, 2), seed=1), toy.Crowd(1, (2, 32, 32, 1), seed=2)
        made = G(torch.randn(toy.SEEDS, 16, 2, generator=generator(1)))
        fake = D(made.detach() if detach else made).flatten()
        discriminator_loss("non-saturating", torch.zeros_like(fake), fake).backward()
        assert all(p.grad is None for p in G.parameters()) == detach


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_leaking_generator_rests_at_minus_log_k(k):
    logit = torch.tensor([-math.log(k)], dtype=torch.float64, requires_grad=True)
    loss = k * F.softplus(logit).mean() + generator_loss("non-saturating", logit, logit)
    (slope,) = torch.autograd.grad(loss, logit)
    assert abs(slope.item()) < 1e-12


# ---- the equations -------------------------------------------------------------------------------


def test_losses_are_cross_entropies_of_logits():
    real, fake = torch.randn(64, generator=generator(1)) * 4, torch.randn(64, generator=generator(2)) * 4
    bce = F.binary_cross_entropy_with_logits
    one, zero = torch.ones(64), torch.zeros(64)
    want_d = {
        "minimax": bce(real, one) + bce(fake, zero),
        "non-saturating": bce(real, one) + bce(fake, zero),
        "hinge": (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean(),
        "relativistic": bce(real - fake, one),
    }
    want_g = {
        "minimax": -bce(fake, zero),
        "non-saturating": bce(fake, one),
        "hinge": -fake.mean(),
        "relativistic": bce(fake - real, one),
    }
    for kind in LOSSES:
        torch.testing.assert_close(discriminator_loss(kind, real, fake), want_d[kind])
        torch.testing.assert_close(generator_loss(kind, real, fake), want_g[kind])


@pytest.mark.parametrize(("distance", "value"), [(0.0, -math.log(4)), (40.0, 0.0)])
def test_the_value_of_the_game_lies_between_minus_log_4_and_0(distance, value):
    line = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    log_p, log_q = (torch.distributions.Normal(m, 1.0).log_prob(line) for m in (-distance / 2, distance / 2))
    best = log_p - log_q
    width = (line[1] - line[0]).item()
    found = width * (log_p.exp() * F.logsigmoid(best) + log_q.exp() * F.logsigmoid(-best)).sum()
    assert found.item() == pytest.approx(value, abs=1e-6)


def test_no_other_logit_beats_the_log_ratio():
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.1, 0.3, 0.6])

    def value(logit):
        return (p * F.logsigmoid(logit) + q * F.logsigmoid(-logit)).sum().item()

    best = (p / q).log()
    assert all(value(best) > value(best + 0.1 * torch.randn(3, generator=generator(k))) for k in range(20))
    assert value(torch.zeros(3)) == pytest.approx(-math.log(4), abs=1e-6)


def test_the_gradient_penalty_of_a_quadratic_form_and_its_own_gradient():
    root = torch.randn(4, 4, generator=generator(1), dtype=torch.float64)
    matrix = (root + root.T).requires_grad_()
    x = torch.randn(50, 4, generator=generator(2), dtype=torch.float64).requires_grad_()
    penalty = gradient_penalty(0.5 * torch.einsum("bi,ij,bj->b", x, matrix, x), x)
    assert penalty.item() == pytest.approx(0.5 * (x @ matrix).square().sum(1).mean().item())
    (slope,) = torch.autograd.grad(penalty, matrix)
    symmetric = matrix.detach() @ (x.T @ x).detach() / len(x)  # of ½ tr(A S A), S the second moment
    torch.testing.assert_close(slope, (symmetric + symmetric.T) / 2)


def test_the_crowds_penalty_is_each_runs_own(toy):
    """γ ½‖∇ℓ‖² = ½‖∇√γ ℓ‖², summed over runs, as the chapter's loop writes it."""
    gammas, copies = (0.0, 0.3, 2.0), 3
    D, runs = toy.Crowd(copies, (2, 8, 1), seed=2), copies * toy.SEEDS
    x = toy.ring(toy.BATCH, generator(1)).repeat(copies, 1, 1).flatten(0, 1).requires_grad_()
    logits = D(x.view(runs, toy.BATCH, 2)).flatten()
    gamma = torch.tensor(gammas).repeat_interleave(toy.SEEDS * toy.BATCH)
    together = runs * gradient_penalty(gamma.sqrt() * logits, x)
    (slope,) = torch.autograd.grad(logits.sum(), x)
    each = 0.5 * slope.square().sum(1).view(copies, toy.SEEDS, toy.BATCH).mean(2).sum(1)
    torch.testing.assert_close(together, (torch.tensor(gammas) * each).sum())


@pytest.mark.parametrize("kind", LOSSES)
def test_only_the_penalty_brings_the_dirac_gan_home(toy, kind):
    without, calm = toy.dirac(kind, 0.0)[-1], toy.dirac(kind, 1.0)[-1]
    assert np.hypot(*without) > 0.2
    assert np.hypot(*calm) < 0.01


def test_the_arc_keeps_its_ends_and_its_length(toy):
    ends = F.normalize(torch.randn(2, 64, generator=generator(1)), dim=1) * 8
    walk = toy.arc(*ends)
    torch.testing.assert_close(walk[[0, -1]], ends)
    torch.testing.assert_close(walk.norm(dim=1), torch.full((8,), 8.0))
