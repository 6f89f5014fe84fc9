"""The design task of chapter 09: draw without slips, from the logits of a model that has made small mistakes."""

from __future__ import annotations

import math

import torch

from mjcourse.learn.compare import tensor_of
from mjcourse.learn.exercise import Answer, Answers, Wrong

CODES, CONTEXTS = 64, 1000
FEW, MANY = (1, 3), (10, 16)  # codes that may follow, in one half of the contexts and in the other
MISTAKEN = (0.03, 0.35)  # share of its probability that the model spreads over all codes, from context to context
UNEVEN = 0.7  # of that spread: standard deviation of the logarithm
DISTORTED = 0.15  # the same of what it says about codes that may follow
GOOD = 0.42  # of the draws that the model's own softmax sends wrong, the most that is allowed


def drawn_contexts(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a model's logits and the true probabilities of the next code, (CONTEXTS, CODES) each.

    As a network's, the logits have no zero of their own: each row is shifted by a number that means nothing.
    """
    shape = (CONTEXTS, CODES)
    few, many = (torch.randint(low, high + 1, (CONTEXTS,), generator=g) for low, high in (FEW, MANY))
    count = torch.where(torch.rand(CONTEXTS, generator=g) < 0.5, few, many)
    may = torch.rand(shape, generator=g).argsort(1).argsort(1) < count[:, None]
    weight = may * (0.2 + (0.8 * torch.randn(shape, generator=g)).exp())
    truth = weight / weight.sum(1, keepdim=True)
    low, high = map(math.log, MISTAKEN)
    share = (low + (high - low) * torch.rand(CONTEXTS, 1, generator=g)).exp()
    spread = (UNEVEN * torch.randn(shape, generator=g)).softmax(1)
    said = (1 - share) * truth * (DISTORTED * torch.randn(shape, generator=g)).exp() + share * spread
    return said.log() + 2 * torch.randn(CONTEXTS, 1, generator=g), truth


def gone_wrong(logits: torch.Tensor, truth: torch.Tensor) -> tuple[float, float]:
    """Return which share of draws from logits is a slip, and which share goes wrong otherwise.

    A slip is a code that never follows. Of the others, what is drawn too often counts: their sum is the total variation
    distance, the smallest share of draws that one would have to change.
    """
    extra = (logits.softmax(1) - truth).clamp(min=0)
    return (extra * (truth == 0)).sum(1).mean().item(), (extra * (truth > 0)).sum(1).mean().item()


def check_slip_free(answers: Answers, g: torch.Generator) -> None:
    """`slip_free(logits)`, (N, K) → logits to draw from, (N, K)."""
    answer: Answer = answers["slip_free"]
    logits, truth = drawn_contexts(g)

    def asked(rows: torch.Tensor) -> torch.Tensor:
        got = tensor_of(answer(rows), "what `slip_free` returns")
        if got.shape != rows.shape:
            raise Wrong(f"logits of the same shape are wanted, {tuple(rows.shape)}; yours have {tuple(got.shape)}.")
        if got.isnan().any() or (got == torch.inf).any():
            raise Wrong("the logits hold nan or +∞; −∞ is fine, for a code that is never drawn.")
        if (got == -torch.inf).all(1).any():
            raise Wrong("a context is left with no code at all: at least the likeliest must stay.")
        return got.float()

    made = asked(logits)
    some = torch.randperm(CONTEXTS, generator=g)[:30]
    if not torch.allclose(asked(logits[some]).softmax(1), made[some].softmax(1), atol=1e-4):
        raise Wrong("a context alone gets other logits than among the others: decide for each row by itself.")
    slips, rest = gone_wrong(made, truth)
    score = (slips + rest) / sum(gone_wrong(logits, truth))
    if score > GOOD:
        said = f"draws gone wrong: {score:.2f} of what they were, wanted {GOOD} or less"
        raise Wrong(f"{diagnosis(logits, made, truth, asked)} ({said}).")


def diagnosis(logits: torch.Tensor, made: torch.Tensor, truth: torch.Tensor, asked) -> str:
    """Return what about the logits `made` is to blame."""
    before, after = logits.softmax(1), made.softmax(1)
    kept = after > 1e-6
    count = kept.sum(1)
    if (made >= 0).all() and torch.allclose(made.sum(1), torch.ones(len(made)), atol=1e-3):
        return "these are probabilities, and their softmax is taken once more: return logits, or the logarithm"
    if torch.allclose(before, after, atol=1e-3):
        return "the draws are as before"
    if (count == 1).all():
        return "only the likeliest code is ever drawn: no slips, and no variety either"
    among = (before * kept) / (before * kept).sum(1, keepdim=True)  # as the model has it, of what is kept
    if torch.allclose(after, kept / count[:, None], atol=1e-3):
        return "the codes that are kept are drawn evenly; the model knew better which of them is likely"
    if count.float().mean() > 0.9 * CODES:
        return "no code is cut off: a temperature cannot tell a rare code that may follow from one that may not"
    if not torch.allclose(asked(logits + 1).softmax(1), after, atol=1e-3):
        return "a logit by itself says nothing, only differences do: take the softmax before a threshold"
    if 0.5 * (after - among).abs().sum(1).mean() > 0.05:
        return "what is kept is drawn in other proportions than the model's; that costs more than it mends"
    if (count == count[0]).all():
        return "each context keeps as many codes; in some, two may follow, in others fifteen"
    slips, lost = gone_wrong(made, truth)[0], float((truth * ~kept).sum(1).mean())
    if slips > lost:
        return f"too little is cut off: {slips:.1%} of the draws are still codes that never follow"
    return f"too much is cut off: codes that make up {lost:.1%} of the truth are never drawn"
