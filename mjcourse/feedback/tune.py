"""Tuning the engines to a taste: the flow by reward-weighted flow matching, the prior by preference pairs. Chapter 12.

Peters & Schaal 2007, Lee et al. 2023 (train on what one drew oneself, weighted by reward), Rafailov et al. 2023 (DPO).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from mjcourse import config
from mjcourse.models.flow import FlowTransformer, flow_loss
from mjcourse.models.prior import Prior, prior_loss
from mjcourse.models.reward import dpo_loss, reward_weights
from mjcourse.training.loop import LoopConfig, Trainer, autocast

REAL = 0.3  # share of real scenes in a batch of the flow, so that it does not forget them
# Of the flow. Each step is told, so that a job can be cancelled at each.
TUNING = LoopConfig(steps=200, batch_size=64, lr=1e-4, warmup=20, weight_decay=0.0, ema=0.98, log_every=1)


def fitted(trainer: Trainer) -> torch.nn.Module:
    """Run a loop to its end and return the averaged model; a `KeyboardInterrupt` at Ctrl-C, as half a taste is none."""
    if trainer.fit().interrupted:
        raise KeyboardInterrupt
    return trainer.averaged()


def tune_flow(
    flow: FlowTransformer,
    z: torch.Tensor,
    text: torch.Tensor,
    scores: torch.Tensor,
    groups: torch.Tensor,
    real: tuple[torch.Tensor, torch.Tensor],
    temperature: float = 0.3,
    cfg: LoopConfig = TUNING,
    report: Callable[[dict], None] | None = None,
    real_share: float = REAL,
) -> FlowTransformer:
    """Return a copy of a flow transformer, tuned to draw what has high scores.

    Args:
        flow: the base model; it stays as it is.
        z: latents of pictures that it drew, (N, C, H, W).
        text: what each was drawn for, (N, registers, text_width).
        scores: how much each is liked, (N,).
        groups: the prompt of each, (N,) int64.
        real: latents and text of real scenes.
        temperature: of `reward_weights`, in standard deviations of the scores within a prompt.
        cfg: how long and how fast.
        report: as for `Trainer`.
        real_share: of a batch, 0 to below 1.
    """
    spread = torch.stack([scores[groups == group].std() for group in groups.unique()]).mean().clamp(min=1e-6)
    weights = reward_weights(scores, groups, temperature * float(spread))
    tuned, device = copy.deepcopy(flow).train().requires_grad_(True), z.device
    from_real = round(real_share * cfg.batch_size)

    def loss(net: FlowTransformer, step: int) -> tuple[torch.Tensor, dict]:
        g = config.generator(cfg.seed, step)
        own = torch.multinomial(weights, cfg.batch_size - from_real, replacement=True, generator=g)
        others = torch.randint(len(real[0]), (from_real,), generator=g)
        x, told = (torch.cat([a[own], b[others]]) for a, b in ((z, real[0]), (text, real[1])))
        noise = torch.randn(x.shape, generator=g).to(device)
        t = torch.sigmoid(torch.randn(len(x), generator=g)).to(device)
        dropped = torch.rand(len(x), generator=g) < 0.1
        told = torch.where(dropped.to(device)[:, None, None], net.null_text, told)
        return flow_loss(net, x, noise, t, told), {}

    return fitted(Trainer(tuned, loss, cfg, report=report))


def tune_prior(
    prior: Prior,
    winners: torch.Tensor,
    losers: torch.Tensor,
    text: torch.Tensor,
    beta: float = 0.1,
    cfg: LoopConfig | None = None,
    report: Callable[[dict], None] | None = None,
) -> Prior:
    """Return a copy of a prior, tuned to prefer the winners to the losers of pairs, with itself as the reference.

    Args:
        prior: the base model; it stays as it is.
        winners, losers: tokens of two pictures for the same text, (P, T) int64.
        text: of each pair, (P, registers, text_width).
        beta: of `dpo_loss`.
        cfg: how long and how fast; a batch is so many pairs.
        report: as for `Trainer`.
    """
    cfg = cfg or LoopConfig(steps=32, batch_size=16, lr=1e-4, warmup=8, weight_decay=0.0, ema=0.95)
    tuned = copy.deepcopy(prior).train().requires_grad_(True)
    parts = zip(*(x.split(32) for x in (winners, losers, text)), strict=True)
    with torch.no_grad(), autocast(winners.device, True):
        before = torch.cat([ahead(prior, *part) for part in parts])

    def loss(net: Prior, step: int) -> tuple[torch.Tensor, dict]:
        picks = torch.randint(len(winners), (cfg.batch_size,), generator=config.generator(cfg.seed, step))
        now = ahead(net, winners[picks], losers[picks], text[picks])
        return dpo_loss(now, before[picks], beta), {"ahead": float((now - before[picks]).detach().mean())}

    return fitted(Trainer(tuned, loss, cfg, report=report))


def ahead(net: Prior, winner: torch.Tensor, loser: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Return log p(winner | text) - log p(loser | text) of pictures' tokens (B, T), in nats: (B,)."""
    return (prior_loss(net, loser, text) - prior_loss(net, winner, text)).sum(1)
