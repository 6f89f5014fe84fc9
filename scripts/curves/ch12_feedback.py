"""The curves of chapter 12_feedback."""

from __future__ import annotations

import numpy as np
import torch

from mjcourse import config
from mjcourse.feedback.choices import choose
from mjcourse.feedback.reward import learn

PROMPTS, EACH = 48, 8  # that are rated; pictures of each
NUMBERS, SAYING = 32, 8  # of a picture; of these, the first say what it shows
APART = 2.0  # how far prompts are from each other, in spreads of a picture's numbers
TASTE_SAYS = 0.3  # how much of the gold taste looks at what a picture shows
TIRES = 0.2  # what it costs to be far from all ordinary pictures, per square
NOISE = 0.4  # of the rater


def record_all(seed: int = 3, choices: int = 400, steps: int = 60, rate: float = 0.2) -> dict:
    """Tune a model of made-up pictures four times: without a price for distance, by a coin, as it is, and swapped.

    A picture is a row of numbers about its prompt's middle. The model moves all pictures by the same way, so that its
    distance from where it began is known, half a square in nats; the gold rater likes one direction, and nothing that
    is too far from all that was ever drawn.
    """
    g = config.generator(seed)
    middles = torch.zeros(PROMPTS, NUMBERS)
    middles[:, :SAYING] = APART * torch.randn(PROMPTS, SAYING, generator=g)
    liked = torch.randn(NUMBERS, generator=g)
    liked[:SAYING] *= TASTE_SAYS
    liked = liked / liked.norm()
    drawn = torch.randn(PROMPTS, EACH, NUMBERS, generator=g)
    fresh = torch.randn(PROMPTS, 64, NUMBERS, generator=g)

    def gold(away: torch.Tensor) -> torch.Tensor:  # pictures less the middle of their prompt
        return away @ liked - TIRES * (away.norm(dim=-1) - NUMBERS**0.5).clamp(min=0).square()

    pictures = (middles[:, None] + drawn).flatten(0, 1)
    pairs = torch.from_numpy(choose(gold(drawn).flatten().numpy(), NOISE, np.random.default_rng(seed), choices, EACH))
    prompts = [str(int(winner) // EACH) for winner, _ in pairs]
    unit = gold(fresh).std(1).mean()

    def record(pairs: torch.Tensor, price: float) -> dict[str, list[float]]:
        learnt = learn(pictures, pairs, prompts)
        model = learnt.model
        direction = model.weight.mean(0) / model.spread  # the score is linear: this is its gradient, everywhere
        direction = direction / direction.norm()  # one spread of the score within a prompt
        way, found = torch.zeros(NUMBERS), {"kl": [], "proxy": [], "gold": [], "accuracy": []}
        for step in range(steps + 1):
            if step % 5 == 0:
                seen = middles[:, None] + fresh + way
                nearest = torch.cdist(seen[..., :SAYING].flatten(0, 1), middles[:, :SAYING]).argmin(1)
                right = nearest == torch.arange(PROMPTS).repeat_interleave(fresh.shape[1])
                found["kl"].append(way.square().sum().item() / 2)
                found["proxy"].append((way @ direction).item())
                found["gold"].append(((gold(fresh + way) - gold(fresh)).mean() / unit).item())
                found["accuracy"].append(right.float().mean().item())
            way = way + rate * (direction - price * way)  # uphill in (7)
        return {"foretold": [learnt.accuracy], **found}

    coin = torch.rand(choices, generator=g) < 0.5
    turned = torch.where(coin[:, None], pairs.flip(1), pairs)
    runs = {"A": (pairs, 0.0), "B": (turned, 0.5), "C": (pairs, 0.5), "D": (pairs.flip(1), 0.5)}
    return {
        (run, key): [float(f"{value:.3g}") + 0.0 for value in values]  # no -0.0
        for run, how in runs.items()
        for key, values in record(*how).items()
    }
