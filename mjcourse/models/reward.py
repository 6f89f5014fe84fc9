"""A model of taste: which of two pictures someone likes better, guessed from frozen features. Chapter 12 builds it.

Bradley & Terry 1952 (a choice as a difference of two scores), Christiano et al. 2017 (learning them from choices),
Lakshminarayanan et al. 2017 (an ensemble says where it does not know).

    P(a is preferred to b) = σ(r(a) - r(b)),     r(x) = mean over members k of w_k · φ(x)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse.models.perceptual import PerceptualNet


@dataclass(frozen=True)
class RewardConfig:
    """Sizes of the reward model."""

    features: int
    members: int = 8  # of the ensemble


@torch.no_grad()
def taste_features(net: PerceptualNet, x: torch.Tensor) -> torch.Tensor:
    """Return what a frozen network sees in pictures, without where: (B, F).

    At each of the network's stages the mean and the standard deviation of every channel over all places; before them
    the same of the three colours.

    Args:
        net: the feature network.
        x: pictures (B, 3, H, W) in -1 to 1, of any size.
    """
    maps = [x, *net.features(x)]
    return torch.cat([torch.cat([m.float().mean((2, 3)), m.float().std((2, 3))], 1) for m in maps], 1)


class Reward(nn.Module):
    """Features (B, F) → scores of all members of the ensemble, (B, members)."""

    def __init__(self, cfg: RewardConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.register_buffer("mean", torch.zeros(cfg.features))
        self.register_buffer("spread", torch.ones(cfg.features))
        self.weight = nn.Parameter(torch.zeros(cfg.members, cfg.features))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self.mean) / self.spread @ self.weight.T


def bradley_terry_loss(winner: torch.Tensor, loser: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log σ(r(winner) - r(loser)), in nats; log 2 is a coin's."""
    return -F.logsigmoid(winner - loser).mean()


def reward_weights(scores: torch.Tensor, groups: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return how much each picture counts among those of its prompt: n · softmax(score / temperature), mean 1.

    The optimum of a model that is trained on pictures with such weights is p(x | text) exp(r(x) / temperature), up to a
    factor: the old model tilted towards what is liked (Peters & Schaal 2007, reward-weighted regression).

    Args:
        scores: (N,).
        groups: of which prompt each is, (N,) int64 from 0 up.
        temperature: in units of the scores; large means that all count the same.
    """
    weights = torch.empty_like(scores)
    for group in groups.unique():
        those = groups == group
        weights[those] = (scores[those] / temperature).softmax(0) * those.sum()
    return weights


def dpo_loss(ahead: torch.Tensor, ahead_before: torch.Tensor, beta: float) -> torch.Tensor:
    """Return the mean of -log σ(β (ahead - ahead_before)), in nats (Rafailov et al. 2023).

    Args:
        ahead: log p(winner | text) - log p(loser | text) of the model that is trained, (B,).
        ahead_before: the same of the frozen reference.
        beta: how strictly to stay near the reference.
    """
    return -F.logsigmoid(beta * (ahead - ahead_before)).mean()
