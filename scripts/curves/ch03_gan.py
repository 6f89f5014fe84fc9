"""The curves of chapter 03_gan."""

from __future__ import annotations

from functools import partial

import torch

from mjcourse import config
from mjcourse.learn import reference

ROUNDS, EVERY = 600, 50  # of the games; rounds that one number stands for
# Run → the kind of game, and which of its three random starts.
GAMES = {"A": ("no-detach", 1), "B": ("relativistic", 2), "C": ("saturated", 0), "D": ("collapse", 1)}
CELLS = (
    "FAULT = None",
    "import copy",
    "def discriminator_loss",
    "class Crowd",
    "def gradient_penalty",
    "def ring",
    "def play",
)


def record_all() -> dict[tuple[str, str], list[float]]:
    """Play the four games with the chapter's own cells; a number is the mean of `EVERY` rounds, of norms the median."""
    names: dict = {}
    for cell in reference.cells(config.ROOT / "notebooks" / "03_gan.ipynb"):
        if cell.kind == "code" and any(mark in cell.source for mark in CELLS):
            exec(cell.source, names)
    descent = partial(torch.optim.SGD, lr=0.1)
    how = {
        "no-detach": {"settings": [("non-saturating", 0.3)], "detach": False},
        "relativistic": {"settings": [("relativistic", 0.3)]},
        "saturated": {"settings": [("minimax", 0.0)], "head_start": 250, "for_g": descent},
        "collapse": {"settings": [("non-saturating", 0.0)], "g_steps": 10, "d_steps": 1},
    }
    found = {}
    for run, (kind, start) in GAMES.items():
        modes = []

        def watch(step, generator, _, modes=modes, start=start):
            if step % EVERY == 0:
                noise = torch.randn(3, 1000, 2, generator=config.generator(4))
                with torch.no_grad():
                    modes.append(int(names["scores"](generator(noise))[0][start]))

        played = names["play"](rounds=ROUNDS, watch=watch, **how[kind])
        for key in ("real", "fake", "norm"):
            parts = getattr(played, key)[:, start].view(-1, EVERY)
            each = parts.median(1).values if key == "norm" else parts.mean(1)
            found[run, key] = [float(f"{value:.2g}") for value in each.tolist()]
        found[run, "modes"] = modes
    return found
