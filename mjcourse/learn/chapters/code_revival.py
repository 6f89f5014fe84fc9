"""The exercise of chapter 08 about dead codes: each is revived where a code is missing most."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mjcourse.learn.compare import close, expect, tensor_of
from mjcourse.learn.exercise import Answer, Answers, Wrong


def check_revive_far(answers: Answers, g: torch.Generator) -> None:
    """`revive_far(codes, usage, z, dead)`, (K, C), (K,), (N, C), a number → the new codes (K, C)."""
    for _ in range(3):  # a wrong choice of latents may be right by luck, but not three times
        check_one_revival(answers["revive_far"], g)


def check_one_revival(revive: Answer, g: torch.Generator, dead: float = 0.2) -> None:
    """Ask once, with four dead codes of ten, which stand just where a code is missing."""
    codes, z = torch.randn(10, 5, generator=g), torch.randn(60, 5, generator=g)
    codes, z = codes * (0.5 + torch.arange(10)[:, None] / 5), z * (0.3 + 2 * torch.rand(60, 1, generator=g))
    usage, shuffled = 0.5 + torch.rand(10, generator=g), torch.randperm(10, generator=g)
    empty = shuffled[:4].sort().values.tolist()
    usage[empty] = torch.tensor([0.11, 0.02, 0.15, 0.0])  # in no order
    usage[shuffled[4]] = dead  # not below it
    alive = codes[usage >= dead]
    worst = (F.normalize(z, dim=1) @ F.normalize(alive, dim=1).T).amax(1).argmin()
    z[(worst + 1) % 60] = 1.5 * z[worst] + 0.01 * torch.randn(5, generator=g)  # its twin is served as badly
    unit = F.normalize(z, dim=1)

    def far(living, latents=unit, short=True, fresh=unit, pick=torch.argmin, reduce=torch.amax, order=empty):
        made, here = codes.clone(), F.normalize(living, dim=1) if short else living
        for k in order:
            one = pick(reduce(latents @ here.T, 1))
            made[k] = unit[one]
            if fresh is not None:
                here = torch.cat([here, fresh[one : one + 1]])
        return made

    def at_once():
        made = codes.clone()
        made[empty] = unit[(unit @ F.normalize(alive, dim=1).T).amax(1).argsort()[: len(empty)]]
        return made

    def by_length(fresh):  # by the distance of vectors as they are
        made, here = codes.clone(), alive
        for k in empty:
            one = torch.cdist(z, here).amin(1).argmax()
            made[k] = unit[one]
            here = torch.cat([here, fresh[one : one + 1]])
        return made

    codes[empty] = 0.7 * far(alive)[empty].roll(1, 0)
    want = far(alive)
    long = want.clone()
    long[empty] = z[(unit @ want[empty].T).argmax(0)]
    mistakes = {
        "a revived code counts as living at once: the next one must keep away from it, too.": at_once,
        "all dead codes were put onto the same latent.": lambda: far(alive, fresh=None),
        "the dead codes still count as if somebody used them: compare with the living ones only.": lambda: far(codes),
        "they stand on latents that are served *best*; look for the one whose best code is worst.":
            lambda: far(alive, pick=torch.argmax),
        "near and far are by angle, as in (6): bring codes *and* latents to length 1 before you compare.": [
            *(lambda f=f: by_length(f) for f in (unit, z)), lambda: far(alive, latents=z),
            *(lambda x=x, f=f: far(alive, latents=x, short=False, fresh=f) for x in (unit, z) for f in (unit, z)),
        ],
        "a latent is served by its nearest code (the largest cosine), not by the mean of all.":
            lambda: far(alive, reduce=torch.mean),
        "codes of length 1 are wanted where they are revived: normalise the latent.": long,
        "a code with usage *below* `dead` is dead; one with just as much lives.":
            lambda: far(codes[usage > dead], order=sorted([*empty, int(shuffled[4])])),
        "the dead codes are filled in the order of their number, the first one gets the worst served latent.": [
            lambda: far(alive, order=empty[::-1]), lambda: far(alive, order=sorted(empty, key=lambda k: usage[k])),
        ],
    }  # fmt: skip
    got = tensor_of(revive(codes, usage, z, dead), "what it returns")
    if got.shape == codes.shape:
        if close(got, codes):
            raise Wrong("no code was moved.")
        if close(got[usage >= dead], F.normalize(alive, dim=1)):
            raise Wrong("living codes have to come back as they are, also in their length.")
        if not close(got[usage > dead], codes[usage > dead]):
            raise Wrong("living codes were moved: only those with usage below `dead` may move.")
        if (torch.cdist(got[empty].float(), unit).amin(1) < 1e-2).all():  # the last mistake: whatever it is, on latents
            mistakes["the dead codes stand on latents, but not on the worst served one, one after the other."] = got
    expect(got, want, "the new codes", mistakes)
    expect(revive(codes, torch.ones(10), z, dead), codes, "the codes where none is dead")
