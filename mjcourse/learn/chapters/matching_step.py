"""The debugging exercise of chapter 07: a round of a game about points that are asked for by a text, with three faults.

The players are small ones of the chapter's build: the generator reads the text, the discriminator compares with it.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import torch
from torch import nn

from mjcourse.learn.compare import UNKNOWN_FAULT, expect, faults_left, number_of, pair_of
from mjcourse.learn.exercise import Answers
from mjcourse.models.gan import discriminator_loss, generator_loss

PLACES, REGISTERS, TEXT_WIDTH = 4, 2, 3  # places that can be asked for; a text is (REGISTERS, TEXT_WIDTH)
FAULTS = {
    "registers": "the third pair's texts are no other pictures' texts: print both and see what has been moved.",
    "order": "in the third pair the wrong text is asked to score above the right one; see (4).",
    "asked": "in its own turn the generator is not judged by the text that it drew for; see the second half of (4).",
}
SLIPS = {  # what goes wrong in mending → the words by which `matching_step` does it
    "the third pair is gone: real points must still score higher with their own text than with another.":
        (("gone",), ("gone", "half")),
    "in the third pair of (4) no made points stand: real ones with their own text against real ones with another.":
        (("above",), ("below",)),
    "the ½ of (4) is gone: the two parts of D's loss count half each, as in `broken_step`.": (("double",),),
    "in the generator's turn the rival is from before D's step: ask D again, as `broken_step` does.": (("stale",),),
}  # fmt: skip
ROUNDS = 3


class Drawer(nn.Module):
    """Noise (B, 2) and text (B, R, C) → points (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 + REGISTERS * TEXT_WIDTH, 32), nn.Tanh(), nn.Linear(32, 2))

    def forward(self, noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([noise, text.flatten(1)], 1))


class Reader(nn.Module):
    """Points (B, 2) and text (B, R, C) → logits (B,), by equation (3)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.real, self.compare = nn.Linear(32, 1), nn.Linear(32, 16)
        self.words = nn.Sequential(nn.Flatten(), nn.Linear(REGISTERS * TEXT_WIDTH, 16), nn.Tanh())

    def forward(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        seen = self.features(x)
        return self.real(seen).squeeze(1) + (self.compare(seen) * self.words(text)).sum(1) / math.sqrt(16)


def told_points(count: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return points (count, 2) about places on a circle, their texts (count, R, C), and the places' number (count,)."""
    texts = torch.randn(PLACES, REGISTERS, TEXT_WIDTH, generator=torch.Generator().manual_seed(7))  # always the same
    place = torch.randint(PLACES, (count,), generator=g)
    return corners()[place] + 0.2 * torch.randn(count, 2, generator=g), texts[place], place


def corners() -> torch.Tensor:
    """Return the middle of each place, (PLACES, 2)."""
    angle = torch.arange(PLACES) * 2 * math.pi / PLACES
    return 1.5 * torch.stack([angle.cos(), angle.sin()], 1)


def matching_step(G, D, of_g, of_d, real, noise, text, faults: tuple[str, ...] = (), shift: int = 1):
    """Play a round by equation (4), relativistic, no penalty, with any of `FAULTS` and `SLIPS`; return both losses."""
    wrong_text = text.roll(shift, 1 if "registers" in faults else 0)
    fake = G(noise, text)
    right, made, wrong = D(real, text), D(fake.detach(), text), D(real, wrong_text)
    third = {"order": (wrong, right), "above": (wrong, made), "below": (made, wrong)}
    third = next((pair for word, pair in third.items() if word in faults), (right, wrong))
    d_loss = discriminator_loss("relativistic", right, made) / (2 if faults != ("gone",) else 1)
    if "gone" not in faults:
        d_loss = d_loss + discriminator_loss("relativistic", *third) / 2
    if "double" in faults:
        d_loss = 2 * d_loss
    of_d.zero_grad()
    d_loss.backward()
    of_d.step()
    rival = right.detach() if "stale" in faults else D(real, text).detach()
    made = D(fake, wrong_text if "asked" in faults else text)
    g_loss = generator_loss("relativistic", rival, made)
    of_g.zero_grad()
    g_loss.backward()
    of_g.step()
    return d_loss.item(), g_loss.item()


def check_matching(answers: Answers, g: torch.Generator) -> None:
    """`matching_step(G, D, of_g, of_d, real, noise, text)` → both losses; the round is played on the networks."""
    seed = int(torch.randint(2**31, (), generator=g))
    rounds = [(*told_points(12, g)[:2], torch.randn(12, 2, generator=g)) for _ in range(ROUNDS)]

    def played(step):  # some rounds: where the weights of either player went, each by its own size, and the losses
        torch.manual_seed(seed)
        players = Drawer(), Reader()
        before = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in players]
        optimizers = [torch.optim.SGD(net.parameters(), lr=0.3) for net in players]
        losses = [
            pair_of(step(*players, *optimizers, real, noise, text), "what it returns") for real, text, noise in rounds
        ]
        losses = torch.tensor([[number_of(loss, "a returned loss") for loss in pair] for pair in losses])
        after = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in players]
        return [a - b for a, b in zip(after, before, strict=True)], losses

    moved, losses = played(matching_step)
    sizes = [m.norm() for m in moved]

    def scaled(moves):
        return torch.cat([m / size for m, size in zip(moves, sizes, strict=True)])

    got_moved, got_losses = played(answers["matching_step"])
    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            wrong = partial(matching_step, faults=left)
            mistakes.setdefault(found, []).append(lambda wrong=wrong: scaled(played(wrong)[0]))
    for found, slips in SLIPS.items():
        mistakes[found] = [lambda slip=slip: scaled(played(partial(matching_step, faults=slip))[0]) for slip in slips]
    other = "the wrong text of a picture is that of the one *before* it in the batch; yours come from the one after."
    mistakes[other] = lambda: scaled(played(partial(matching_step, shift=-1))[0])
    still = "{} does not move: no gradient reaches it, or its optimizer takes no step."
    mistakes[still.format("the generator")] = scaled([torch.zeros_like(moved[0]), got_moved[1]])
    mistakes[still.format("the discriminator")] = scaled([got_moved[0], torch.zeros_like(moved[1])])
    got = scaled(got_moved)
    if got.isfinite().all():
        mistakes[UNKNOWN_FAULT] = got  # the last: whatever it is
    expect(got, scaled(moved), "the step of the weights", mistakes, rtol=1e-2, atol=1e-3)
    expect(got_losses, losses, "the returned pair (discriminator's loss, generator's loss)", rtol=1e-3)
