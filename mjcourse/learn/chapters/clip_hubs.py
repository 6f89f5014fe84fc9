"""The design task of chapter 06: a better search from the same cosines, where some texts are near to everything."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse.learn.compare import tensor_of
from mjcourse.learn.exercise import Answers, Wrong

PICTURES, TEXTS, EMBED = 80, 120, 24  # texts beyond the number of pictures belong to none of them
NOISE, HUB, LEAN = 0.6, 1.0, 1.5  # of either tower; how far texts lean to one direction; how far pictures do
DRAWS = 12
MENDED = 0.75  # of the pictures that miss their text by the cosines, the share to be mended, at the least


def search(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines (PICTURES, TEXTS), and the number of each picture's own text."""
    z = torch.randn(TEXTS, EMBED, generator=g)
    common = EMBED**0.5 * F.normalize(torch.randn(1, EMBED, generator=g), dim=1)
    lean = HUB * torch.randn(TEXTS, 1, generator=g).abs()
    u = F.normalize(z[:PICTURES] + NOISE * torch.randn(PICTURES, EMBED, generator=g) + LEAN * common, dim=1)
    v = F.normalize(z + NOISE * torch.randn(TEXTS, EMBED, generator=g) + lean * common, dim=1)
    order = torch.randperm(TEXTS, generator=g)
    return u @ v[order].T, order.argsort()[:PICTURES]


def recall(scores: torch.Tensor, own: torch.Tensor) -> float:
    """Return the share of pictures whose own text has the highest score."""
    return float((scores.argmax(1) == own).float().mean())


def check_rescore(answers: Answers, g: torch.Generator) -> None:
    """`rescore(cosines)`, (N, M) → scores (N, M), higher for better."""
    rescore = answers["rescore"]
    before, after, worst, moved = [], [], [], 0.0
    for _ in range(DRAWS):
        cosines, own = search(g)
        scores = tensor_of(rescore(cosines), "what `rescore` returns")
        if scores.shape != cosines.shape:
            raise Wrong(f"the scores must have shape {tuple(cosines.shape)}; yours have {tuple(scores.shape)}.")
        if not scores.isfinite().all():
            raise Wrong("the scores hold nan or inf.")
        before.append(recall(cosines, own))
        after.append(recall(scores, own))
        worst.append(recall(-scores, own))
        moved += float((scores.argmax(1) != cosines.argmax(1)).float().mean()) / DRAWS
    old, new, turned = (sum(part) / DRAWS for part in (before, after, worst))
    wanted = old + MENDED * (1 - old)
    if new >= wanted:
        return
    said = f"recall at 1 is {new:.2f}, by the cosines {old:.2f}, wanted {wanted:.2f}"
    if turned >= wanted:
        raise Wrong(f"the scores are upside down: higher has to be better ({said}).")
    if moved < 0.01:
        raise Wrong(
            f"each picture's nearest text is the same as by the cosines ({said}): what is done to a whole row changes "
            "no order in it."
        )
    if new < 3 / TEXTS:
        raise Wrong(f"that is guessing ({said}): the texts are shuffled, so their numbers tell nothing.")
    if new < old - 0.02:
        raise Wrong(f"the search has become worse ({said}).")
    if new < old + 0.2 * (1 - old):
        raise Wrong(f"hardly a miss is mended ({said}): which texts win too often, and what shows it in their columns?")
    raise Wrong(f"some misses are mended, not yet enough ({said}): a column can be too wide as well as too high.")
