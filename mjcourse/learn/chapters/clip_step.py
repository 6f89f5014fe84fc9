"""The debugging exercise of chapter 06: a step of contrastive training with three faults, on towers of one layer."""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.learn.compare import expect, faults_left, number_of
from mjcourse.learn.exercise import Answers

PICTURE, TEXT, EMBED = 7, 5, 6  # numbers of a "picture", of a "text" and in the shared space
FAULTS = {
    "length": "each vector, a row, has to have length 1; here something else has: which dimension is scaled?",
    "order": "row i of the pictures no longer belongs to row i of the texts when they meet.",
    "heat": "the cosines get smaller where equation (1) makes them larger: s is 1/τ.",
}

OTHERS = {
    "cut": "the temperature does not learn: no gradient reaches `log_scale`.",
    "pictures": "only pictures look for their texts; in equation (2) texts look for their pictures, too.",
    "texts": "only texts look for their pictures; in equation (2) pictures look for their texts, too.",
    "image-length": "each picture's vector, a row, has to have length 1, as each text's: which dimension is scaled?",
    "text-length": "each text's vector, a row, has to have length 1, as each picture's: which dimension is scaled?",
    "logarithm": "`log_scale` is the logarithm of s; the scores are s times the cosine, so take its exp.",
}


class Towers(nn.Module):
    """Two towers of one layer each, `image` and `text`, and `log_scale`, the logarithm of s = 1/τ."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = nn.Linear(PICTURE, EMBED), nn.Linear(TEXT, EMBED)
        self.log_scale = nn.Parameter(torch.tensor(math.log(5.0)))


def clip_step(towers: Towers, optimizer, x, t, mixed, faults: tuple[str, ...] = ()) -> float:
    """Take one step on the loss of equation (2), with any of `FAULTS` or `OTHERS`; return the loss.

    Args:
        x, t: pictures (B, PICTURE) and their texts (B, TEXT). mixed: (B,) a random order of the rows.
    """
    dims = [0 if {"length", f"{kind}-length"} & set(faults) else 1 for kind in ("image", "text")]
    u, v = F.normalize(towers.image(x), dim=dims[0])[mixed], F.normalize(towers.text(t), dim=dims[1])
    scale = (-towers.log_scale if "heat" in faults else towers.log_scale).exp()
    scale = towers.log_scale if "logarithm" in faults else scale
    logits = (scale.detach() if "cut" in faults else scale) * u @ (v if "order" in faults else v[mixed]).T
    to_text, to_image = (F.cross_entropy(scores, torch.arange(len(x))) for scores in (logits, logits.T))
    loss = to_text if "pictures" in faults else to_image if "texts" in faults else (to_text + to_image) / 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def check_step(answers: Answers, g: torch.Generator) -> None:
    """`clip_step(towers, optimizer, x, t, mixed)` → the loss; the step is taken on the towers."""
    seed, rows = int(torch.randint(2**31, (), generator=g)), 9
    x, t = torch.randn(2, rows, PICTURE, generator=g), torch.randn(2, rows, TEXT, generator=g)
    mixed = [torch.randperm(rows, generator=g).roll(1) for _ in range(2)]

    def taken(step):  # two steps: where the weights went, those of the temperature in a scale of their own, and losses
        torch.manual_seed(seed)
        towers = Towers()
        optimizer = torch.optim.SGD(towers.parameters(), lr=0.1)
        before = [p.detach().clone() for p in towers.parameters()]
        losses = [number_of(step(towers, optimizer, x[k], t[k], mixed[k]), "the returned loss") for k in range(2)]
        moved = [(p.detach() - old).flatten().double() for p, old in zip(towers.parameters(), before, strict=True)]
        return torch.cat(moved), torch.tensor(losses), [moved[0], torch.cat(moved[1:])]

    moved, losses, (warmth, rest) = taken(clip_step)
    sizes = torch.cat([warmth.norm().expand(1), rest.norm().expand(len(rest))])
    got_moved, got_losses, _ = taken(answers["clip_step"])
    mistakes = {}
    for count in (1, 2, 3):
        for left in combinations(FAULTS, count):
            found = faults_left(count, FAULTS[left[0]])
            wrong = partial(clip_step, faults=left)
            mistakes.setdefault(found, []).append(lambda wrong=wrong: taken(wrong)[0] / sizes)
    mistakes["the towers do not move: is there no gradient, or no step?"] = torch.zeros_like(moved)
    for kind, message in OTHERS.items():
        mistakes[message] = lambda kind=kind: taken(partial(clip_step, faults=(kind,)))[0] / sizes
    expect(got_moved / sizes, moved / sizes, "the step of the weights", mistakes, rtol=1e-2, atol=1e-3)
    expect(got_losses, losses, "the returned loss", rtol=1e-3)
