"""The exercise of chapter 09 about drawing among the codes that together have most of the probability."""

from __future__ import annotations

import torch

from mjcourse.learn.compare import expect, tensor_of
from mjcourse.learn.exercise import Answer, Answers, Wrong

NAME = "what `keep_nucleus` returns"


def kept_codes(logits: torch.Tensor, p: float, temperature: float, shift: int = 0, largest: bool = True):
    """Return which codes are in the nucleus, bool as logits (…, K); `shift` keeps as many codes more or fewer.

    largest: begin with the likeliest, not with the least likely.
    """
    share = (logits / max(temperature, 1e-6)).softmax(-1)
    ordered = share.sort(-1, descending=largest)
    count = (ordered.values.cumsum(-1) - ordered.values < p).sum(-1, keepdim=True).clamp(min=1) + shift
    rank = torch.arange(logits.shape[-1]).expand_as(logits)
    return torch.zeros_like(logits, dtype=torch.bool).scatter(-1, ordered.indices, rank < count)


def drawn_case(g: torch.Generator, shape: tuple[int, ...]) -> tuple[torch.Tensor, float, float]:
    """Return logits, p and a temperature so that no sum of probabilities comes near p: rounding must not decide."""
    while True:
        logits = 1.7 * torch.randn(shape, generator=g)
        p, temperature = 0.6 + 0.25 * torch.rand((), generator=g).item(), 0.5 + 0.2 * torch.rand((), generator=g).item()
        sums = [(logits / t).softmax(-1).sort(-1, descending=True).values.cumsum(-1) for t in (temperature, 1)]
        if min((s - p).abs().min() for s in sums) > 1e-4:
            return logits, p, temperature


def compared(keep: Answer, logits: torch.Tensor, p: float, temperature: float, what: str, mistakes: dict) -> None:
    """Ask once; mistakes: message → which codes it keeps.

    Raises:
        Wrong: other codes are kept than should be, or their logits are not as they were.
    """
    got, may = tensor_of(keep(logits, p, temperature), NAME), kept_codes(logits, p, temperature)
    if got.shape != logits.shape:
        raise Wrong(f"{NAME} must have the shape of the logits, {tuple(logits.shape)}; yours has {tuple(got.shape)}.")
    if got.isnan().any():
        raise Wrong(f"{NAME} holds nan, with p = {p:.2f} and temperature = {temperature:.2f}.")
    if (got == 0).any():
        raise Wrong("codes that are not drawn have logit −∞; a logit of 0 is one like any other.")
    if (got == torch.inf).any():
        raise Wrong("codes that are not drawn have logit −∞, not +∞.")
    if (got.isfinite() & (got < logits.min() - 1e3)).any():
        raise Wrong("codes that are not drawn have logit −∞, not a number that is only very small.")
    kept = got.isfinite()
    mistakes = dict(mistakes)  # the last two say little, and come only where no other message fits
    if not kept.any(-1).all():
        mistakes[f"nothing is left to draw from, with p = {p:.2f} and temperature = {temperature:.2f}."] = [kept]
    if kept.all():
        mistakes["nothing is left out: codes outside of the nucleus get the logit −∞."] = [kept]
    counted = {text: [m.float() for m in some] for text, some in mistakes.items()}
    expect(kept.float(), may.float(), f"{what}, 1 where a code is kept,", counted)
    inner = torch.where(may, logits, 0.0)
    expect(
        torch.where(got.isfinite(), got, 0.0), inner, "the logits that are kept",
        {
            "the logits that are kept come back as they were: the temperature comes later, at the noise.":
                inner / max(temperature, 1e-6),
            "logits are wanted, not probabilities.": (
                torch.where(may, logits.softmax(-1), 0.0),
                torch.where(may, (logits / max(temperature, 1e-6)).softmax(-1), 0.0),
            ),
        },
    )  # fmt: skip


def check_nucleus(answers: Answers, g: torch.Generator) -> None:
    """`keep_nucleus(logits, p, temperature)`, (…, K), 0 to 1, 0 or more → logits, −∞ outside of the nucleus."""
    keep = answers["keep_nucleus"]
    for shape in ((5, 4, 12), (9, 11)):
        logits, p, t = drawn_case(g, shape)
        share = (logits / t).softmax(-1)
        mistakes = {
            "the temperature does not come in: the nucleus is that of the softmax that is drawn from.":
                [kept_codes(logits, p, 1)],
            "the temperature has to divide the logits.": [kept_codes(logits, p, 1 / t)],
            "the code that brings the sum to p is left out; it belongs to the nucleus.":
                [kept_codes(logits, p, t, -1), kept_codes(logits, p, t, -1) | (share == share.amax(-1, keepdim=True))],
            "one code too many is kept: the nucleus is the *smallest* set that has p.": [kept_codes(logits, p, t, 1)],
            "it begins with the least likely; the nucleus begins with the likeliest.":
                [kept_codes(logits, p, t, largest=False)],
            "what is left out and what is kept have changed places.": [~kept_codes(logits, p, t)],
            "each code by itself is held against p; it is the *sum* from the likeliest on that counts.": [
                share >= p, share >= 1 - p, share >= p * share.amax(-1, keepdim=True),
                share >= (1 - p) * share.amax(-1, keepdim=True),
            ],
            "the codes have been sorted and not put back in their places: `scatter` or a second `argsort` does it.": [
                (torch.arange(shape[-1]) < kept_codes(logits, p, t).sum(-1, keepdim=True)),
            ],
            "that is a share of the codes, a top-k; it is the share of the *probability* that counts.": [
                rank_below(logits, n) for n in (round(p * shape[-1]), int(p * shape[-1]), int(p * shape[-1]) + 1)
            ],
            "all rows are thrown together; each softmax has a nucleus of its own.":
                [kept_codes(logits.flatten(), p, t).view(shape), kept_codes(logits.mT, p, t).mT],
        }  # fmt: skip
        compared(keep, logits, p, t, "the nucleus", mistakes)
    compared(keep, logits, 0.01, t, "the nucleus at p = 0.01 (the likeliest code alone)", {})
    compared(keep, 0.5 * logits, 1.0, 1.0, "the nucleus at p = 1 (all codes; sums may end a little below 1)", {})
    by_zero = "at temperature 0 the softmax of ℓ / T is nan; only the likeliest code stays there."
    everything = torch.ones_like(logits, dtype=torch.bool)
    mistakes = {by_zero: [everything, ~everything]}
    compared(keep, logits, p, 0.0, "the nucleus at temperature 0 (the likeliest code alone)", mistakes)


def rank_below(logits: torch.Tensor, count: int) -> torch.Tensor:
    """Return which codes are among so many likeliest."""
    return logits >= logits.topk(max(count, 1), -1).values[..., -1:]
