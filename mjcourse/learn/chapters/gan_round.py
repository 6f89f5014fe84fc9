"""The debugging exercise of chapter 03: a round of the game with three faults."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import torch
from torch import nn

from mjcourse.learn.compare import expect, faults_left, number_of, pair_of
from mjcourse.learn.exercise import Answers
from mjcourse.models.gan import discriminator_loss, generator_loss

FAULTS = {
    "detach": "the generator still feels the discriminator's loss, as in section 8c: ask where the made points of the "
    "discriminator's turn come from.",
    "saturated": "the generator climbs the minimax loss, which is flat where it is worst; see equation (5).",
    "clear": "the discriminator steps on gradients that the generator's turn, or the round before, has left in it.",
}
ROUNDS = 3


def game_round(G, D, of_g, of_d, real: torch.Tensor, noise: torch.Tensor, faults: tuple[str, ...] = ()):
    """Play one round with the non-saturating loss, with any of `FAULTS`; return both losses.

    "early" is another form of "clear": D's gradients are cleared before the generator's turn writes into them.
    """
    of_g.zero_grad()
    if not {"clear", "early"} & {*faults}:
        of_d.zero_grad()
    fake = G(noise)
    d_loss = discriminator_loss("non-saturating", D(real), D(fake if "detach" in faults else fake.detach()))
    d_loss.backward()
    of_d.step()
    if "early" in faults:
        of_d.zero_grad()
    kind = "minimax" if "saturated" in faults else "non-saturating"
    logits = D(G(noise))
    g_loss = generator_loss(kind, logits, logits)  # neither of the two looks at real logits
    g_loss.backward()
    of_g.step()
    return d_loss.item(), g_loss.item()


class Judge(nn.Sequential):
    """Points (B, 2) → logits (B,)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).squeeze(1)


def check_round(answers: Answers, g: torch.Generator) -> None:
    """`game_round(G, D, of_g, of_d, real, noise)` → both losses; the round is played on the networks."""
    seed = int(torch.randint(2**31, (), generator=g))
    real = 1.5 + 0.5 * torch.randn(ROUNDS, 16, 2, generator=g)
    noise = torch.randn(ROUNDS, 16, 2, generator=g)

    def played(one):  # some rounds: where the weights of either player went, each by its own size, and the losses
        torch.manual_seed(seed)
        G = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 2))
        D = Judge(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 1))
        before = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in (G, D)]
        of_g, of_d = (torch.optim.SGD(net.parameters(), lr=0.2) for net in (G, D))
        losses = [pair_of(one(G, D, of_g, of_d, real[k], noise[k]), "what it returns") for k in range(ROUNDS)]
        losses = torch.tensor([[number_of(loss, "a returned loss") for loss in pair] for pair in losses])
        after = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in (G, D)]
        return [a - b for a, b in zip(after, before, strict=True)], losses

    moved, losses = played(game_round)
    sizes = [m.norm() for m in moved]

    def scaled(moves):
        return torch.cat([m / size for m, size in zip(moves, sizes, strict=True)])

    got_moved, got_losses = played(answers["game_round"])
    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            for form in {left, tuple("early" if fault == "clear" else fault for fault in left)}:
                wrong = partial(game_round, faults=form)
                mistakes.setdefault(found, []).append(lambda wrong=wrong: scaled(played(wrong)[0]))
    still = "{} does not move: no gradient reaches it, or its optimizer takes no step."
    mistakes[still.format("the generator")] = scaled([torch.zeros_like(moved[0]), got_moved[1]])
    mistakes[still.format("the discriminator")] = scaled([got_moved[0], torch.zeros_like(moved[1])])
    expect(scaled(got_moved), scaled(moved), "the step of the weights", mistakes, rtol=1e-2, atol=1e-3)
    expect(got_losses, losses, "the returned pair (discriminator's loss, generator's loss)", rtol=1e-3)
