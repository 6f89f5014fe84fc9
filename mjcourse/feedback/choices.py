"""Choices between pictures as arrays: how a rater makes them, and how often one set of pictures wins. Chapter 12."""

from __future__ import annotations

import numpy as np


def choose(utility: np.ndarray, noise: float, rng: np.random.Generator, count: int, each: int) -> np.ndarray:
    """Return `count` choices within prompts, by Bradley and Terry's chances: rows (winner, loser).

    Each prompt is asked about in turn, and its pictures are paired off at random, each once, before any comes again.
    What is preferred is better after noise; logistic noise gives just those chances.

    Args:
        utility: of all pictures, (prompts · each,), as `GoldRater.utility` gives it.
        noise: the rater's; 0 always prefers the better one.
        rng: decides pairs and choices.
        count: how many choices.
        each: pictures a prompt, 2 or more.
    """
    prompts, pairs = len(utility) // each, []
    while len(pairs) < count:
        orders = [each * p + rng.permutation(each) for p in range(prompts)]
        pairs += [order[k : k + 2] for k in range(0, each - 1, 2) for order in orders]
    a, b = np.array(pairs[:count]).T
    won = utility[a] - utility[b] + rng.logistic(scale=noise, size=count) > 0
    return np.where(won[:, None], np.stack([a, b], 1), np.stack([b, a], 1))


def win_rate(ours: np.ndarray, theirs: np.ndarray, each: int) -> dict:
    """Return how often ours is better, ties half, with a 95 % interval (bootstrap over prompts).

    Args:
        ours, theirs: utilities of pictures with the same prompts and seeds, (prompts · each,).
        each: pictures a prompt.
    """
    won = ((ours > theirs) + 0.5 * (ours == theirs)).reshape(-1, each).mean(1)
    draws = np.random.default_rng(0).choice(won, (2000, len(won))).mean(1)
    return {"rate": round(float(won.mean()), 4), "interval": np.percentile(draws, [2.5, 97.5]).round(4).tolist()}
