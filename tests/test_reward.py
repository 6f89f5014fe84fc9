"""Learning from preferences: the losses against their definitions, and a taste that was planted is found again."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.feedback import reward
from mjcourse.feedback.tune import ahead, tune_flow, tune_prior
from mjcourse.models.flow import FlowConfig, FlowTransformer, sample
from mjcourse.models.perceptual import PerceptualConfig, PerceptualNet
from mjcourse.models.prior import Prior, PriorConfig, prior_loss
from mjcourse.models.reward import (
    Reward,
    RewardConfig,
    bradley_terry_loss,
    dpo_loss,
    reward_weights,
    taste_features,
)
from mjcourse.training.loop import LoopConfig


def test_bradley_terry_is_the_likelihood_of_the_choices():
    better, worse = torch.tensor([1.0, 0.2, -3.0]), torch.tensor([0.0, 0.5, -3.0])
    chance = 1 / (1 + torch.exp(worse - better))
    torch.testing.assert_close(bradley_terry_loss(better, worse), -chance.log().mean())
    assert float(bradley_terry_loss(worse[2:], better[2:])) == pytest.approx(math.log(2))


def test_dpo_equals_the_paper_and_starts_at_a_coins():
    now, before = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -1.0])
    wanted = -torch.log(torch.sigmoid(0.3 * (now - before))).mean()
    torch.testing.assert_close(dpo_loss(now, before, 0.3), wanted)
    assert float(dpo_loss(before, before, 0.3)) == pytest.approx(math.log(2))


def test_reward_weights_count_within_a_prompt():
    scores, groups = torch.tensor([0.0, 1.0, 5.0, 5.0, 5.0]), torch.tensor([0, 0, 1, 1, 1])
    weights = reward_weights(scores, groups, 0.5)
    e = math.exp(2)
    torch.testing.assert_close(weights, torch.tensor([2 / (1 + e), 2 * e / (1 + e), 1.0, 1.0, 1.0]))
    torch.testing.assert_close(reward_weights(scores, groups, 1e6), torch.ones(5), atol=1e-4, rtol=0)


def test_features_are_means_and_spreads_of_every_channel():
    net, x = PerceptualNet(PerceptualConfig.tiny()).eval(), torch.rand(3, 3, 64, 64) * 2 - 1
    found = taste_features(net, x)
    assert found.shape == (3, 2 * (3 + 8 + 16 + 32 + 32))
    torch.testing.assert_close(found[:, :3], x.mean((2, 3)))
    torch.testing.assert_close(found[:, 3:6], x.std((2, 3)))
    torch.testing.assert_close(found, taste_features(net, x.flip(3)), atol=0.2, rtol=0)  # not where things are


def planted(pairs: int, noise: float, seed: int = 0, features: int = 60):
    """Pictures in groups of four a prompt, choices by a taste that weighs three of their features."""
    rng = np.random.default_rng(seed)
    prompts = [f"prompt {i}" for i in range(pairs // 4)]
    seen = torch.from_numpy(rng.standard_normal((4 * len(prompts), features))).float()
    taste = torch.zeros(features)
    taste[:3] = torch.tensor([1.0, -0.7, 0.5])
    liked = seen @ taste + noise * torch.from_numpy(rng.gumbel(size=len(seen))).float()
    chosen, said = [], []
    for g, prompt in enumerate(prompts):
        for a, b in ((0, 1), (2, 3), (0, 2), (1, 3)):
            a, b = 4 * g + a, 4 * g + b
            chosen.append((a, b) if liked[a] > liked[b] else (b, a))
            said.append(prompt)
    return seen, torch.tensor(chosen), said, taste


def test_a_planted_taste_is_found_again():
    seen, pairs, prompts, taste = planted(200, noise=0.2)
    learnt = reward.learn(seen, pairs, prompts)
    new = torch.randn(500, 60, generator=config.generator(1))
    agreement = np.corrcoef(reward.rewards(learnt.model, new), new @ taste)[0, 1]
    assert learnt.accuracy > 0.75 and agreement > 0.8 and learnt.strength in reward.STRENGTHS
    assert reward.learn(seen, pairs, prompts).model.weight.equal(learnt.model.weight)


def test_choices_by_a_coin_teach_nothing():
    seen, pairs, prompts, taste = planted(200, noise=0.2)
    turned = torch.rand(len(pairs), generator=config.generator(3)) < 0.5
    pairs = torch.where(turned[:, None], pairs.flip(1), pairs)
    learnt = reward.learn(seen, pairs, prompts)
    new = torch.randn(500, 60, generator=config.generator(1))
    assert learnt.accuracy < 0.62 and abs(np.corrcoef(reward.rewards(learnt.model, new), new @ taste)[0, 1]) < 0.5


def test_caution_lowers_what_the_members_do_not_agree_on():
    model = Reward(RewardConfig(2, members=2))
    model.weight.data.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
    seen = torch.tensor([[1.0, 0.0], [1.0, 2.0]])
    torch.testing.assert_close(reward.rewards(model, seen), torch.tensor([1.0, 1.0]))
    torch.testing.assert_close(reward.rewards(model, seen, 1.0), torch.tensor([1.0, 1.0 - 8**0.5]))


@pytest.mark.parametrize("pairs, prompts", [(8, ["a", "b", "c", "d"] * 2), (24, ["a", "b", "c"] * 8)])
def test_too_few_choices_are_refused_with_how_many_are_wanted(pairs, prompts):
    with pytest.raises(UserError, match="rate at least 20 pairs of pictures on 4 prompts"):
        reward.learn(torch.randn(50, 4), torch.zeros(pairs, 2, dtype=torch.int64), prompts)


def test_a_tuned_flow_draws_what_is_liked_and_the_base_stays():
    torch.manual_seed(0)
    base, g = FlowTransformer(FlowConfig.tiny()).eval(), config.generator(0)
    text = torch.randn(8, 4, 32, generator=g).repeat_interleave(8, 0)
    z, groups = torch.randn(64, 4, 4, 4, generator=g), torch.arange(8).repeat_interleave(8)
    z[::2] += 2  # half of them are brighter, and are liked
    before = copy.deepcopy(base.state_dict())
    cfg = LoopConfig(steps=150, batch_size=32, lr=1e-2, warmup=10, ema=0.9)
    noise, means = torch.randn(64, 4, 4, 4, generator=g), []
    for sign in (1, -1):
        scores = sign * z.mean((1, 2, 3))
        tuned = tune_flow(base, z, text, scores, groups, (z, text), cfg=cfg, report=lambda row: None)
        means.append(float(sample(tuned, noise, text, 1.0, 8).mean()))
    assert all(torch.equal(before[k], v) for k, v in base.state_dict().items())
    assert means[0] > means[1] + 0.6


def test_a_tuned_prior_prefers_the_winners_and_the_base_stays():
    torch.manual_seed(0)
    base, g = Prior(PriorConfig.tiny()).eval(), config.generator(0)
    winners, losers = (torch.randint(lo, lo + 16, (24, 16), generator=g) for lo in (0, 16))
    text = torch.randn(24, 4, 32, generator=g)
    before = copy.deepcopy(base.state_dict())
    cfg = LoopConfig(steps=30, batch_size=8, lr=1e-3, warmup=5, ema=0.8, amp=False)
    tuned = tune_prior(base, winners[:16], losers[:16], text[:16], cfg=cfg, report=lambda row: None)
    assert all(torch.equal(before[k], v) for k, v in base.state_dict().items())
    with torch.no_grad():
        gain = ahead(tuned, winners[16:], losers[16:], text[16:]) - ahead(base, winners[16:], losers[16:], text[16:])
        by_hand = (prior_loss(base, losers, text) - prior_loss(base, winners, text)).sum(1)
        torch.testing.assert_close(ahead(base, winners, losers, text), by_hand)
    assert gain.min() > 1
