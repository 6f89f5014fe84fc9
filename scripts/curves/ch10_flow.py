"""The curves of chapter 10_flow."""

from __future__ import annotations

import torch
from torch import nn

from mjcourse import config
from mjcourse.learn.chapters.flow_ring import MODES, SPREAD, ring_centres

TIMES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
GUIDANCE = (0.0, 1.0, 2.0, 4.0)
WORDS = 8  # numbers of a text
SIZE = 5.0  # of the points of the run with unscaled data


class RingNet(nn.Module):
    """A perceptron that says the velocity: z (B, 2), t (B, 1), text (B, WORDS) → (B, 2)."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.null_text = nn.Parameter(torch.randn(WORDS))
        self.net = nn.Sequential(
            nn.Linear(3 + WORDS, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width),
            nn.SiLU(), nn.Linear(width, 2),
        )  # fmt: skip

    def forward(self, z: torch.Tensor, t: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([z, 4 * t - 2, text], 1))


def record_all(seed: int = 3, steps: int = 1500, batch: int = 256) -> dict[tuple[str, str], list[float]]:
    """Train four flows on a ring whose heaps have names: never silent, with others' names, as it is, of size 5."""
    named = torch.randn(MODES, WORDS, generator=config.generator(seed))  # the text of each heap

    def points(which, g, size):
        return ring_centres(size)[which] + size * SPREAD * torch.randn(len(which), 2, generator=g)

    def trained(size, silent, shift):
        torch.manual_seed(seed)
        net = RingNet()
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for step in range(steps):
            g = config.generator(seed, step)
            which = torch.randint(MODES, (batch,), generator=g)
            x, noise = points(which, g, size), torch.randn(batch, 2, generator=g)
            t = torch.sigmoid(torch.randn(batch, 1, generator=g))  # logit-normal, as in section 2
            none = torch.rand(batch, 1, generator=g) < silent
            text = torch.where(none, net.null_text, named[which.roll(shift)])
            loss = (net((1 - t) * noise + t * x, t, text) - (x - noise)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return net

    @torch.no_grad()
    def judged(net, size, count=4000):
        g = config.generator(seed, 1)
        which = torch.arange(count) % MODES
        x, noise = points(which, g, size), torch.randn(count, 2, generator=g)
        nothing = net.null_text.expand(count, -1)
        found = {}
        for name, text in {"true": named[which], "none": nothing, "wrong": named[(which + 3) % MODES]}.items():
            losses = []
            for t in TIMES:
                said = net((1 - t) * noise + t * x, torch.full((count, 1), t), text)
                losses.append(float(f"{(said - (x - noise)).square().mean():.2g}"))
            found[name] = losses
        found["good"] = []
        for s in GUIDANCE:
            z = noise
            for i in range(50):
                t = torch.full((count, 1), i / 50)
                untold = net(z, t, nothing)
                z = z + (untold + s * (net(z, t, named[which]) - untold)) / 50
            away = (z - ring_centres(size)[which]).norm(dim=1)
            found["good"].append(round((away < 3 * SPREAD * size).float().mean().item(), 2))
        return found

    runs = {"A": (1.0, 0.0, 0), "B": (1.0, 0.1, 1), "C": (1.0, 0.1, 0), "D": (SIZE, 0.1, 0)}
    return {(run, key): values for run, how in runs.items() for key, values in judged(trained(*how), how[0]).items()}
