"""The debugging exercise of chapter 10: inpainting with a network that says the picture, with three faults."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import torch

from mjcourse.learn.chapters.flow_ring import mean_picture, ring_centres, ring_points
from mjcourse.learn.compare import expect, faults_left
from mjcourse.learn.exercise import Answers

FAULTS = {
    "level": "the known part has most noise where it should have least; what does (22) give at t = 0?",
    "guidance": "s = 0 has to be the answer without the text, and s = 1 the one with it; see (17).",
    "back": "going back leaves too little noise: variances add up, deviations do not; see (23).",
}
SLIPS = {  # of those who mend
    "ahead": "the known part is a step ahead: before the step it has to be where (22) has it at t.",
    "root": "wanted² − had² is a variance; fresh noise is multiplied by its root, see (23).",
    "half": "the root of a difference of deviations is no deviation: square both first, see (23).",
    "whole": "the noise that is still there counts: bring the variance *to* wanted², do not add all of that; see (23).",
    "anew": "the known part keeps its one `noise` in all steps and rounds, as in (22), so that it stays on one path.",
    "strong": "guidance is one too strong: s = 1 has to be the answer for the text itself; see (17).",
    "last": "the known part moved with the last step: put it back at the end, as it is.",
}
SLIPS["any"] = SLIPS["anew"]  # by `g`, or by everybody's numbers


def inpaint(noise, known, keep, told, untold, s, steps, rounds, g, faults: tuple[str, ...] = ()) -> torch.Tensor:
    """Walk to points (B, 2) that are `known` where `keep` is 1, with any of `FAULTS` or `SLIPS`.

    Args:
        noise, known: (B, 2). keep: (2,) of 0 and 1.
        told, untold: the mean picture given z (B, 2) and t, with and without the text.
        s: the guidance scale. steps, rounds: steps, and how often each is made, the first one once.
        g: of the noise of going back.
    """
    z, fresh = noise, {"anew": g, "any": None}
    for i in range(steps):
        t, after = i / steps, (i + 1) / steps
        level = 1 - t if "level" in faults else after if "ahead" in faults else t
        for r in range(rounds if i else 1):
            of_known = next((torch.randn(noise.shape, generator=fresh[f]) for f in faults if f in fresh), noise)
            z = keep * ((1 - level) * of_known + level * known) + (1 - keep) * z
            x, x_untold = told(z, t), untold(z, t)
            picture = x + s * (x_untold - x) if "guidance" in faults else x_untold + s * (x - x_untold)
            picture = picture + x - x_untold if "strong" in faults else picture
            there = z + (after - t) / (1 - t) * (picture - z)
            if i and r + 1 < rounds:
                had, wanted = t / after * (1 - after), 1 - t
                square = wanted**2 - had**2
                widths = {"back": wanted - had, "half": (wanted - had) ** 0.5, "root": square, "whole": wanted}
                width = next((widths[f] for f in faults if f in widths), square**0.5)
                z = t / after * there + width * torch.randn(z.shape, generator=g)
        z = there
    return z if "last" in faults else keep * known + (1 - keep) * z


def check_inpaint(answers: Answers, g: torch.Generator) -> None:
    """`inpaint(noise, known, keep, told, untold, s, steps, rounds, g)` → points (B, 2)."""
    seed = int(torch.randint(2**31, (), generator=g))
    centres = ring_centres() + 0.3 * torch.randn(8, 2, generator=g)
    some = centres[torch.randperm(8, generator=g)[:3]]
    noise, known = torch.randn(12, 2, generator=g), ring_points(12, g, some)
    told, untold = partial(mean_picture, centres=some), partial(mean_picture, centres=centres)
    turn = int(torch.randint(2, (), generator=g))
    for s, steps, rounds, kept in ((1.5, 5, 3, (1, 0)), (2.5, 4, 2, (0, 1)), (2.0, 6, 1, (0, 0))):
        keep = torch.tensor(kept[::-1] if turn else kept, dtype=torch.float32)

        def end(function, s=s, steps=steps, rounds=rounds, keep=keep):
            torch.manual_seed(seed)  # of an answer that draws without `g`
            back = torch.Generator().manual_seed(seed)
            return function(noise, known, keep, told, untold, s, steps, rounds, back)

        mistakes = {}
        for count in (1, 2, 3):
            for left in combinations(FAULTS, count):
                found = faults_left(count, FAULTS[left[0]])
                mistakes.setdefault(found, []).append(partial(end, partial(inpaint, faults=left)))
        for other, found in SLIPS.items():
            mistakes.setdefault(found, []).append(partial(end, partial(inpaint, faults=(other,))))
        what = f"what `inpaint` draws with s = {s} and {rounds} rounds"
        expect(end(answers["inpaint"]), end(inpaint), what, mistakes)
