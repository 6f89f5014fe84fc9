"""The curves of chapter 13_studio: knobs of a studio whose model is known exactly."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.learn.chapters.flow_ring import MODES, mean_velocity, ring_centres
from mjcourse.models.steer import walk

KNOB = list(range(0, 101, 10))
GRIDS, GRID = 100, 4  # grids a heap; pictures of a grid
MOST = 16  # candidates at the top of the knob that chooses
CHAOS = 0.6  # as in (4)
CLAMP = 40  # where the broken parser stops
STEPS, GUIDANCE = 25, 2.0


def pictures(noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Walk from noise (B, 2) to pictures (B, 2) by (2) and (3); a text (B, 2) is the point that pictures lie around."""

    def pulled(z, t):
        nothing = mean_velocity(z, t, ring_centres())
        return nothing + GUIDANCE * (mean_velocity(z, t, text[:, None]) - nothing)

    return walk(pulled, noise, STEPS)


def drawn(how: str, value: int, seed: int) -> torch.Tensor:
    """Return all grids at one value of a knob, (MODES * GRIDS, GRID, 2): the same seeds at each value."""
    rows = MODES * GRIDS
    noise, drift = torch.randn(2, rows, MOST, 2, generator=config.generator(seed))
    asked = ring_centres().repeat_interleave(GRIDS, 0)[:, None]  # (rows, 1, 2)
    share = {"weird": 0, "clamped": min(value, CLAMP)}.get(how, value) / 100
    drift = drift[:, :1].expand_as(drift) if how == "one-draw" else drift
    text = asked + CHAOS * share * ring_centres().std() * drift  # (4)
    made = pictures(noise.flatten(0, 1), text.flatten(0, 1)).view(rows, MOST, 2)
    if how != "weird":
        return made[:, :GRID].contiguous()
    made = made[:, : GRID + round((MOST - GRID) * value / 100)]
    unit = F.normalize(torch.tanh(made @ torch.randn(2, 16, generator=config.generator(seed, 1))), dim=-1)
    alike = (unit * unit.mean(1, keepdim=True)).sum(-1)  # (8)
    return made.gather(1, alike.argsort(1)[:, :GRID, None].expand(-1, -1, 2))


def record_all(seed: int = 3) -> dict[tuple[str, str], list[float]]:
    """Measure four knobs from 0 to 100: chaos that is clamped, with one draw a grid, a choice, and chaos as in (4)."""
    asked = torch.arange(MODES).repeat_interleave(GRIDS)
    usual = drawn("chaos", 0, seed + 1).view(MODES, -1, 2).mean(1)[asked]  # (rows, 2), with seeds of its own
    found = {}
    for run, how in {"A": "clamped", "B": "one-draw", "C": "weird", "D": "chaos"}.items():
        rows = {"apart": [], "usual": [], "obeys": []}
        for value in KNOB:
            made = drawn(how, value, seed)
            rows["apart"].append(torch.cdist(made, made).sum((1, 2)).mean() / (GRID * (GRID - 1)))
            rows["usual"].append((made - usual[:, None]).norm(dim=-1).mean())
            nearest = torch.cdist(made, ring_centres().expand(len(made), -1, -1)).argmin(-1)
            rows["obeys"].append((nearest == asked[:, None]).float().mean())
        found |= {(run, key): [round(x.item(), 2) for x in values] for key, values in rows.items()}
    return found
