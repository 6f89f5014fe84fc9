"""Learning a taste from choices: a reward model, its penalty chosen on prompts that it has not seen. Chapter 12."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.store import to_tensor
from mjcourse.models.reward import Reward, RewardConfig, bradley_terry_loss, taste_features
from mjcourse.training.loop import autocast
from mjcourse.training.probe import load_eye

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)  # of the penalty on large weights, to choose from
FOLDS = 4  # of the prompts, to choose with
STEPS = 200  # of gradient descent; the loss is convex
LEAST = 20  # choices, on at least
LEAST_PROMPTS = 4  # prompts: fewer cannot be split


@dataclass
class Learnt:
    """A taste that was learnt: the model, the share of unseen prompts' choices that it foretells, its penalty."""

    model: Reward
    accuracy: float
    strength: float


@torch.no_grad()
def features_of(pictures: np.ndarray, device: torch.device | None = None) -> torch.Tensor:
    """Return the frozen features of pictures (N, H, W, 3) uint8, on the CPU: (N, F)."""
    device = device or config.device()
    net = load_eye("reward", device)
    parts = []
    for start in range(0, len(pictures), 100):
        x = to_tensor(pictures[start : start + 100]).to(device, memory_format=torch.channels_last)
        with autocast(device, True):
            parts.append(taste_features(net, x).cpu())
    return torch.cat(parts)


def fit(
    features: torch.Tensor, pairs: torch.Tensor, strength: float, members: int = RewardConfig.members, seed: int = 0
) -> Reward:
    """Fit an ensemble, each member to a resample of the choices, drawn with replacement.

    Args:
        features: of all pictures, (N, F).
        pairs: rows of `features`, winner and loser: (P, 2).
        strength: of the penalty, times the mean square of the weights' lengths.
        members: of the ensemble.
        seed: of the resamples.
    """
    model = Reward(RewardConfig(features.shape[1], members))
    model.mean.copy_(features.mean(0))
    model.spread.copy_(features.std(0).clamp(min=1e-3) * features.shape[1] ** 0.5)
    g = config.generator(seed, 12)
    picks = torch.randint(len(pairs), (members, len(pairs)), generator=g)
    seen = (features - model.mean) / model.spread
    apart = seen[pairs[:, 0]] - seen[pairs[:, 1]]  # (P, F): only differences count
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        ahead = (apart @ model.weight.T).gather(0, picks.T)  # (P, members)
        loss = bradley_terry_loss(ahead, torch.zeros_like(ahead)) + strength * model.weight.square().sum(1).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return model.eval().requires_grad_(False)


def learn(features: torch.Tensor, pairs: torch.Tensor, prompts: Sequence[str], seed: int = 0) -> Learnt:
    """Learn a taste; the penalty is the one with which choices on unseen prompts are foretold best.

    Args:
        features: of all pictures, (N, F).
        pairs: rows of `features`, winner and loser: (P, 2) int64.
        prompts: of each pair.
        seed: of folds and resamples.

    Raises:
        UserError: too few choices or prompts.
    """
    names = sorted(set(prompts))
    if len(pairs) < LEAST or len(names) < LEAST_PROMPTS:
        raise UserError(
            f"{len(pairs)} choices on {len(names)} prompts are too few to learn a taste from: rate at least {LEAST} "
            f"pairs of pictures on {LEAST_PROMPTS} prompts."
        )
    fold_of = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % FOLDS, strict=True))
    folds = torch.tensor([fold_of[prompt] for prompt in prompts])
    right = {strength: 0.0 for strength in STRENGTHS}
    for strength in STRENGTHS:
        for fold in range(FOLDS):
            model, unseen = fit(features, pairs[folds != fold], strength, 1, seed), pairs[folds == fold]
            score = model(features).mean(1)
            right[strength] += float((score[unseen[:, 0]] > score[unseen[:, 1]]).sum())
    best = max(STRENGTHS, key=right.get)
    return Learnt(fit(features, pairs, best, seed=seed), right[best] / len(pairs), best)


def rewards(model: Reward, features: torch.Tensor, caution: float = 0.0) -> torch.Tensor:
    """Return scores (N,): the members' mean, less `caution` times their standard deviation."""
    scores = model(features)
    return scores.mean(1) - caution * scores.std(1)
