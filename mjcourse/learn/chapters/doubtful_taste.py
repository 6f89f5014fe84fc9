"""The design task of chapter 12: weights that gain the most for a given distance, by scores that are partly wrong."""

from __future__ import annotations

from statistics import NormalDist

import torch

from mjcourse.learn.compare import close, missed, tensor_of
from mjcourse.learn.exercise import Answers, Wrong

PROMPTS, EACH, MEMBERS = 600, 16, 8
SPREAD = (0.7, 0.6)  # of the utility within a prompt: median, and deviation of its logarithm from prompt to prompt
DOUBT = (1.2, 0.9)  # of one member's error: the same from picture to picture
LIMIT = 0.5  # nats, mean over the prompts
GOOD = 0.73  # of what one who knows the utility gains, at least


def drawn_tastes(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores of an ensemble, (PROMPTS, EACH, MEMBERS), and the utility that they guess at, (PROMPTS, EACH)."""
    spread = lognormal(PROMPTS, *SPREAD, g)[:, None]
    truth = torch.randn(PROMPTS, 1, generator=g) + spread * torch.randn(PROMPTS, EACH, generator=g)
    doubt = lognormal(PROMPTS * EACH, *DOUBT, g).view(PROMPTS, EACH, 1)
    return truth[..., None] + doubt * torch.randn(PROMPTS, EACH, MEMBERS, generator=g), truth


def lognormal(count: int, median: float, deviation: float, g: torch.Generator) -> torch.Tensor:
    """Return lognormal numbers in a random order, always the same ones, so that no world is easier than another."""
    levels = [NormalDist().inv_cdf((k + 0.5) / count) for k in range(count)]
    return median * (deviation * torch.tensor(levels)[torch.randperm(count, generator=g)]).exp()


def distances(weights: torch.Tensor) -> torch.Tensor:
    """Return KL(weighted ‖ as drawn) of each prompt, in nats: weights (P, n) → (P,)."""
    share = weights / weights.sum(1, keepdim=True)
    return torch.special.xlogy(share, share * weights.shape[1]).sum(1)


def gain(weights: torch.Tensor, utility: torch.Tensor) -> float:
    """Return by how much weights (P, n) raise the mean utility (P, n), mean over the prompts."""
    share = weights / weights.sum(1, keepdim=True)
    return ((share * utility).sum(1) - utility.mean(1)).mean().item()


def tilted(scores: torch.Tensor, limit: float = LIMIT, alike: bool = False) -> torch.Tensor:
    """Return the weights (9) of scores (P, n) at the one temperature where the mean distance is `limit` nats.

    Args:
        alike: each prompt has a temperature of its own instead, so that all go equally far.
    """
    low, high = torch.full((len(scores), 1), 1e-4), torch.full((len(scores), 1), 1e4)
    for _ in range(40):
        middle = (low * high).sqrt()
        away = distances((scores / middle).softmax(1))[:, None]
        far = (away if alike else away.mean()) > limit
        low, high = torch.where(far, middle, low), torch.where(far, high, middle)
    return (scores / high).softmax(1) * scores.shape[1]


def weights_alike(scores: torch.Tensor, limit: float) -> torch.Tensor:
    """Return the weights (9) of scores (P, n) that take each prompt `limit` nats away."""
    return tilted(scores, limit, alike=True)


def possible(utility: torch.Tensor, limit: float = LIMIT) -> float:
    """Return what one gains who knows the utility (P, n), at `limit` nats in the mean over the prompts."""
    return gain(tilted(utility, limit), utility)


def check_weights(answers: Answers, g: torch.Generator) -> None:
    """`careful_weights(scores, limit)`, (P, n, members), nats → weights (P, n)."""
    scores, truth = drawn_tastes(g)
    got = tensor_of(answers["careful_weights"](scores, LIMIT), "what `careful_weights` returns")
    if got.shape != truth.shape:
        raise Wrong(f"a weight for each picture is wanted, {tuple(truth.shape)}; yours has shape {tuple(got.shape)}.")
    if not got.isfinite().all():
        raise Wrong("a weight is nan or inf; `softmax` does not overflow where `exp` does.")
    if (got < 0).any():
        raise Wrong("a weight is negative; a picture can count little, and not less than nothing.")
    if (got.sum(1) <= 0).any():
        raise Wrong("a prompt is left with no picture at all.")
    spent = distances(got)
    if spent.mean() > LIMIT + 1e-3:
        raise Wrong(f"the weights go {spent.mean():.3f} nats away, mean over the prompts; {LIMIT} are allowed.")
    score = gain(got.float(), truth) / possible(truth)
    if score < GOOD:
        gained = f"gained: {missed(score, GOOD)} of what is possible, wanted {GOOD}"
        raise Wrong(f"{diagnosis(got, spent, scores)} ({gained}).")


def diagnosis(got: torch.Tensor, spent: torch.Tensor, scores: torch.Tensor) -> str:
    """Return what about weights is to blame."""
    said = scores.mean(2)
    share = got / got.sum(1, keepdim=True)
    if spent.mean() < 0.01:
        return "all pictures count about the same, and nothing is gained"
    if (share * said).sum(1).mean() < said.mean():
        return "what has low scores counts most: the sign is wrong"
    if spent.mean() < 0.8 * LIMIT:
        return f"you stay {spent.mean():.2f} nats away where {LIMIT} are allowed: go as far as you may"
    if (share < 1e-8).double().mean() > 0.2:
        return "pictures are cut off; (8) says what gains the most for a distance, and it cuts off nobody"
    if spent.std() < 0.1 * spent.mean():
        return "every prompt goes equally far; where its pictures are all about equally good that is wasted"
    if close(share, tilted(said).double() / EACH, rtol=0.05, atol=0.003):
        return "the mean score is taken at its word; where the members disagree, a high one may be luck"
    return "right in form: now ask which scores are to be believed, and how far"
