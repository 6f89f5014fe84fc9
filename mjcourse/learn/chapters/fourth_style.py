"""The design task of chapter 07: things that are known in three styles, to be drawn in the fourth."""

from __future__ import annotations

import torch

from mjcourse.learn.compare import tensor_of
from mjcourse.learn.exercise import Answers, Wrong

STYLES, THINGS, NUMBERS = 4, 100, 24  # a picture is so many numbers
HIDDEN = 5  # numbers that a thing has, before a style draws it
UNSEEN = 18  # things in each style that are missing there, and only there
NOISE = 0.1  # standard deviation of what nobody can know
GOOD = 0.5  # of the error that the average of the three known pictures has, the most that is allowed


def drawn_things(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return all pictures (STYLES, THINGS, NUMBERS), the same with zeros where one is missing, and `known`.

    `known` (STYLES, THINGS) tells which are there; each thing is there in at least three styles. A style draws a
    thing's hidden numbers in its own way, part of which all styles share.
    """
    things = torch.randn(THINGS, HIDDEN, generator=g)
    shared, own = torch.randn(HIDDEN, NUMBERS, generator=g), torch.randn(STYLES, HIDDEN, NUMBERS, generator=g)
    strokes = torch.tanh((things @ (shared + 0.8 * own)) / HIDDEN**0.5)
    pictures = strokes + 0.4 * torch.randn(STYLES, 1, NUMBERS, generator=g)
    pictures = pictures + NOISE * torch.randn(pictures.shape, generator=g)
    known = torch.ones(STYLES, THINGS, dtype=torch.bool)
    for style, missing in enumerate(torch.randperm(THINGS, generator=g)[: STYLES * UNSEEN].view(STYLES, UNSEEN)):
        known[style, missing] = False
    return pictures, pictures * known[..., None], known


def average_of_three(pictures: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the pictures, and in place of a missing one the average of the thing's known ones: the chapter's rival."""
    average = pictures.sum(0) / known.sum(0)[:, None]  # missing ones are zeros
    return torch.where(known[..., None], pictures, average)


def check_fourth_style(answers: Answers, g: torch.Generator) -> None:
    """`fourth_style(pictures, known)` → all pictures (STYLES, THINGS, NUMBERS)."""
    whole, pictures, known = drawn_things(g)
    made = tensor_of(answers["fourth_style"](pictures, known), "what it returns").float()
    if made.shape != whole.shape:
        raise Wrong(f"return all pictures, {tuple(whole.shape)}; yours has shape {tuple(made.shape)}.")
    if not made.isfinite().all():
        raise Wrong("it returns nan or inf.")
    if not torch.allclose(made[known], pictures[known], atol=1e-4):
        raise Wrong("known pictures must come back as they are; only missing ones are to be drawn.")

    def error(pictures):  # root of the mean squared error of those that were missing
        return (pictures - whole)[~known].square().mean().sqrt()

    rival, own = average_of_three(pictures, known), error(made)
    score = own / error(rival)
    if score <= GOOD:
        return
    said = f"error {score:.2f} of the average's, wanted {GOOD} or less"
    missing = made[~known]
    if missing.abs().max() == 0:
        raise Wrong("the missing pictures are still zeros.")
    if torch.allclose(missing, rival[~known], atol=1e-4):
        raise Wrong(f"that is the average of the three known pictures, the rival: no style is in it ({said}).")
    each = [made[style][~known[style]] for style in range(STYLES)]
    if all(m.var(0).sum() < 0.02 * whole[style].var(0).sum() for style, m in enumerate(each)):
        raise Wrong(f"in each style all missing things look the same: the thing is lost ({said}).")
    means = torch.stack([whole[style][known[style]].mean(0) for style in range(STYLES)])
    offset = means[:, None] - means.mean(0)
    if error(torch.where(known[..., None], made, made + offset)) < 0.97 * own:
        raise Wrong(f"not even each style's mean is right: an average of other styles does not have it ({said}).")
    to_known = torch.stack([torch.cdist(m, whole[s][known[s]]).min(1).values.max() for s, m in enumerate(each)])
    if to_known.max() < 0.02:
        raise Wrong(f"each missing picture is a copy of another thing's: near, but not this thing ({said}).")
    spread = sum(m.var(0).sum() for m in each) / sum(whole[s][known[s]].var(0).sum() for s in range(STYLES))
    if spread > 1.2 or score > 1.2:
        full = int(known.all(0).sum())
        raise Wrong(
            f"missing pictures vary {spread:.1f} times as much as known ones: {full} things known in all styles are "
            f"few; fit fewer numbers, or hold them back ({said})."
        )
    raise Wrong(f"the style's mean is there; but a style draws each thing in its own way ({said}).")
