"""The design task of chapter 02: a density fitted to codes, better than one Gaussian and no copy of them."""

from __future__ import annotations

import torch

from mjcourse.learn.compare import tensor_of
from mjcourse.learn.exercise import Answer, Answers, Wrong

COUNT, LATENT, CLUSTERS = 600, 6, 5
DRAWN = 1200  # codes that are compared; more of them, less luck
GOOD = 0.5  # of one fitted Gaussian's distance from held-out codes, the most that is allowed
FRESH = 0.2  # of a held-out code's distance to the nearest training code, the least that a drawn code must keep


def clustered(g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return training and held-out codes (COUNT, LATENT) in clusters of random place, width and tilt."""
    turned = torch.linalg.qr(torch.randn(LATENT, LATENT, generator=g)).Q  # keeps the clusters apart
    centres = turned[:CLUSTERS] * (4.5 + torch.rand(CLUSTERS, 1, generator=g))
    shapes = 0.35 * torch.randn(CLUSTERS, LATENT, LATENT, generator=g) + 0.1 * torch.eye(LATENT)
    which = torch.cat([torch.randperm(COUNT, generator=g) % CLUSTERS for _ in range(2)])  # as many in each
    noise = torch.randn(2 * COUNT, LATENT, generator=g)
    codes = centres[which] + (shapes[which] @ noise[..., None]).squeeze(-1) + torch.randn(LATENT, generator=g)
    return codes[:COUNT], codes[COUNT:]


def energy_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    """Return how far two sets of points are apart, 0 for the same distribution (Székely & Rizzo 2013)."""
    return float(2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean())


def fitted_gaussian(codes: torch.Tensor, count: int, g: torch.Generator) -> torch.Tensor:
    """Draw from one Gaussian with the codes' mean and covariance, what `gaussian_codes` does."""
    root = torch.linalg.cholesky(torch.cov(codes.T) + 1e-6 * torch.eye(codes.shape[1]))
    return codes.mean(0) + torch.randn(count, codes.shape[1], generator=g) @ root.T


def check_prior(answers: Answers, g: torch.Generator) -> None:
    """`fit_prior(codes)` → ``draw(count, g)`` → (count, latent)."""
    train, held_out = clustered(g)
    draw = answers["fit_prior"](train)
    if not callable(draw):
        raise Wrong("`fit_prior` must return a function draw(count, g); what it returned cannot be called.")
    draw = Answer("draw", draw)

    def drawn(seed: int, count: int = DRAWN) -> torch.Tensor:
        made = tensor_of(draw(count, torch.Generator().manual_seed(seed)), "what draw(count, g) returns")
        if made.shape != (count, LATENT):
            shape = tuple(made.shape)
            raise Wrong(f"draw({count}, g) must return ({count}, {LATENT}), as wide as the codes; yours has {shape}.")
        if not made.isfinite().all():
            raise Wrong("draw(count, g) returns nan or inf.")
        return made.float()

    drawn(1, 7)
    made, again, other = drawn(2), drawn(2), drawn(3)
    if not torch.equal(made, again):
        raise Wrong("two generators of the same seed give different codes: take all randomness from `g`.")
    if torch.equal(made, other):
        raise Wrong("two different generators give the same codes: nothing is drawn from `g`.")
    if len(torch.unique(made, dim=0)) < DRAWN // 4:
        raise Wrong("the drawn codes repeat each other; each should be new.")

    width = held_out.std(0).mean()
    usual = torch.cdist(held_out, train).min(1).values.median()
    near = torch.cdist(made, train).min(1).values.median()
    if near < 0.02 * usual:
        raise Wrong("the drawn codes are training codes: a prior that can only repeat them makes no new picture.")
    if near < FRESH * usual:
        raise Wrong(
            f"the drawn codes are hardly new: half of them lie {near / usual:.0%} as far from a training code as a "
            f"held-out code does; wanted {FRESH:.0%} or more. Move farther from the training codes."
        )
    one = energy_distance(fitted_gaussian(train, DRAWN, g), held_out)
    floor = energy_distance(train, held_out)
    score = (energy_distance(made, held_out) - floor) / (one - floor)
    if score <= GOOD:
        return
    if energy_distance(made, torch.randn(DRAWN, LATENT, generator=g)) < 0.02:
        raise Wrong("these are draws from N(0, I), which knows nothing of the codes; fit something to them.")
    said = f"distance from held-out codes {score:.2f} of one fitted Gaussian's, wanted {GOOD} or less"
    if (made.mean(0) - held_out.mean(0)).abs().max() > 0.4 * width:
        raise Wrong(f"the drawn codes do not even have the mean of the codes ({said}): is the fit used at all?")
    spread = float(made.var(0).sum() / held_out.var(0).sum())
    if spread > 1.25:
        raise Wrong(f"the drawn codes spread wider than the codes, {spread:.2f} times their variance ({said}).")
    if spread < 0.75:
        raise Wrong(f"the drawn codes are too close together, {spread:.2f} times the codes' variance ({said}).")
    raise Wrong(f"mean and spread are right, but the holes between the clusters are filled ({said}).")
