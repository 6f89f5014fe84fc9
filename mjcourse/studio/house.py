"""Recipe of stage ``taste``: the taste of the house, from 200 choices of a gold rater. Chapter 12.

The rater is scripted: it likes warm and contrasty pictures, and nobody else was asked. It stands among the studio's
files because the studio's engine draws what is rated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mjcourse.feedback.candidates import EACH, PROMPTS, draw_candidates, open_prompts, paint_all
from mjcourse.feedback.choices import choose, win_rate
from mjcourse.feedback.gold import GOLD, GoldRater
from mjcourse.feedback.reward import Learnt, features_of, learn, rewards
from mjcourse.feedback.session import NEEDED
from mjcourse.feedback.taste import TUNING, Taste, learn_change, save_taste
from mjcourse.models.flow import FlowTransformer
from mjcourse.studio.engine import FlowEngine
from mjcourse.studio.flag import DEFAULTS
from mjcourse.studio.styled import styled

RATER = "sunset"
HELD_OUT, TWICE = 32, 2  # prompts that nobody rated, and pictures of each, to see what the taste changes
HOW = DEFAULTS["flow"]
EVERY = 20  # prompts or steps from one line of progress to the next


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Learn the taste of the house and write it with its card; it takes minutes, so there is nothing to resume.

    The card states the share of choices on unseen prompts that the reward model foretells, and how often the rater
    prefers the tuned flow's picture to the base's, same prompt and seed, on prompts of the test split.
    """
    cfg = replace(TUNING, steps=steps or TUNING.steps, seed=seed)
    engine, begun = FlowEngine(), time.perf_counter()
    change, learnt = learn_house(engine, cfg, said("prompts drawn"), said("steps of tuning"))
    spent = time.perf_counter() - begun
    won = wins(engine, Taste(change, engine.digest), GOLD[RATER])
    found = {"pairs": NEEDED, "win_rate": won["rate"], "win_rate_from": won["interval"][0]}
    who = f"the gold rater '{RATER}', a script that likes warm and contrasty pictures"
    save_taste(folder / f"{name}.safetensors", engine, change, learnt, cfg, spent, who, **found)
    print(f"{name}: {spent / 60:.1f} min; weights and card in {os.path.relpath(folder)}")


def learn_house(
    engine: FlowEngine, cfg=TUNING, drawing: Callable = lambda *_: None, tuning: Callable = lambda *_: None
) -> tuple[FlowTransformer, Learnt]:
    """Return θ_taste - θ₀ of the house, and its reward model; `drawing` and `tuning` are told (done, all)."""
    prompts, rater = open_prompts("val", PROMPTS), GOLD[RATER]
    drawn = draw_candidates(engine, prompts, HOW["guidance"], HOW["steps"], EACH, drawing)
    pictures = paint_all(engine, drawn.z)
    pairs = choose(rater.utility(pictures), rater.noise, np.random.default_rng(cfg.seed), NEEDED, EACH)
    features = features_of(pictures, engine.device)
    learnt = learn(features, torch.from_numpy(pairs.copy()), [prompts[winner // EACH] for winner, _ in pairs], cfg.seed)
    return learn_change(engine, drawn, rewards(learnt.model, features), tuning, cfg), learnt


def wins(engine: FlowEngine, taste: Taste, rater: GoldRater, strength: float = 1.0) -> dict:
    """Return how often a rater prefers pictures with a taste to those without, as `win_rate`, on unseen prompts."""
    asked = [prompt for prompt in open_prompts("test", HELD_OUT, open_prompts("val", PROMPTS)) for _ in range(TWICE)]
    seeds = list(range(len(asked)))
    with_it, without = (
        np.concatenate([net(asked[i : i + 8], seeds[i : i + 8]) for i in range(0, len(asked), 8)])
        for net in (styled(engine, taste, strength), engine)
    )
    return win_rate(rater.utility(with_it), rater.utility(without), TWICE)


def said(what: str) -> Callable[[int, int], None]:
    """Return a report that prints a line now and then."""

    def report(done: int, total: int) -> None:
        if done % EVERY == 0 or done == total:
            print(f"{done} of {total} {what}", flush=True)

    return report
