"""Do 200 choices change what an engine draws? The full proof of chapter 12, for gold raters and controls; writes JSON.

    python benchmarks/feedback.py [--rater sunset|meadow]      (the flow; the prior waits for its weights)

Draw candidates for prompts that leave the light open, let a gold rater choose within pairs, learn a
reward model, tune, and draw prompts that the rating never saw. A second rater with another taste, and choices made by a
coin, go through the same code.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).resolve().with_suffix(".json")
PROMPTS, HELD_OUT, EACH, PAIRS, CHECKED = 64, 64, 8, 200, 500
OPEN = ("time", "mood")  # what the prompts leave unsaid, so that a taste has something to choose


def open_prompts(split: str, count: int) -> list[str]:
    """Return captions of a split, both languages in turn, that do not name what is in `OPEN`."""
    from mjcourse.metrics.alignment import paired_prompts

    prompts, found = paired_prompts(split, 2000), []
    for pair in zip(prompts.english, prompts.chinese, strict=True):
        told = pair[len(found) % 2]
        if not set(OPEN) & set(told.named) and told.text not in found:
            found.append(told.text)
        if len(found) == count:
            return found
    raise SystemExit(f"only {len(found)} prompts of {split} leave {OPEN} open")


def choose(utility: np.ndarray, noise: float, rng: np.random.Generator, count: int = PAIRS) -> np.ndarray:
    """Return `count` choices (winner, loser) within prompts of `EACH` pictures, by Bradley and Terry's chances."""
    orders = [EACH * p + rng.permutation(EACH) for p in range(len(utility) // EACH)]
    pairs = [order[k : k + 2] for k in range(0, EACH, 2) for order in orders][:count]
    first = [rng.random() < 1 / (1 + np.exp((utility[b] - utility[a]) / noise)) for a, b in pairs]
    return np.array([(a, b) if won else (b, a) for (a, b), won in zip(pairs, first, strict=True)])


def win_rate(ours: np.ndarray, theirs: np.ndarray, each: int) -> dict:
    """Return how often ours is better, ties half, with a 95 % interval (bootstrap over prompts of `each` pictures)."""
    won = ((ours > theirs) + 0.5 * (ours == theirs)).reshape(-1, each).mean(1)
    draws = np.random.default_rng(0).choice(won, (2000, len(won))).mean(1)
    return {"rate": round(float(won.mean()), 4), "interval": np.percentile(draws, [2.5, 97.5]).round(4).tolist()}


class Flow:
    """The flow model as this proof needs it: candidates as latents, and a copy that was tuned."""

    def __init__(self) -> None:
        from mjcourse.studio.engine import default_engine

        self.engine = default_engine("flow")
        self.base = self.engine.flow

    def candidates(self, prompts: list[str]) -> tuple[torch.Tensor, np.ndarray]:
        """Return latents and pictures, `EACH` a prompt."""
        from mjcourse.models.flow import sample
        from mjcourse.studio.imagine import DEFAULTS
        from mjcourse.training.loop import autocast

        how, parts = DEFAULTS["flow"], []
        for i, prompt in enumerate(prompts):
            noise, text = self.engine.noise(range(1000 * i, 1000 * i + EACH)), self.engine.read([prompt] * EACH)
            with autocast(self.engine.device, True):
                parts.append(sample(self.base, noise, text, how["guidance"], how["steps"]).float())
        return torch.cat(parts), np.concatenate([self.engine.paint(z) for z in parts])

    def tune(self, made, prompts: list[str], scores: torch.Tensor, **how):
        """Return a tuned copy."""
        from mjcourse.data.store import COUNTS, SceneData, to_tensor
        from mjcourse.feedback.tune import tune_flow
        from mjcourse.training.text import draw_captions

        data = SceneData("train", COUNTS["train"])
        scenes = (to_tensor(data.images(range(i, i + 100))).to(self.engine.device) for i in range(0, 1000, 100))
        with torch.no_grad():
            real = torch.cat([self.engine.autoencoder.encode(x) for x in scenes])
        told = self.engine.read([c.text for c in draw_captions(data, list(range(1000)), (0, 0, 7))])
        text = self.engine.read(prompts).repeat_interleave(EACH, 0)
        groups = torch.arange(len(prompts)).repeat_interleave(EACH)
        return tune_flow(self.base, made, text, scores, groups, (real, told), **how)

    def use(self, net) -> None:
        """Draw with this network from now on."""
        self.engine.flow = net


def prove(kind: str, rater_name: str, shuffled: bool = False, tune: dict | None = None) -> dict:
    """Go the whole way once and return what was found."""
    from mjcourse.evaluate import draw_all, judge
    from mjcourse.feedback.gold import GOLD
    from mjcourse.feedback.reward import features_of, learn, rewards
    from mjcourse.metrics.alignment import paired_prompts
    from mjcourse.metrics.distribution import density_coverage, probe_features
    from mjcourse.metrics.probe import load_probe

    rater, model, rng = GOLD[rater_name], {"flow": Flow}[kind](), np.random.default_rng(5)
    prompts, unseen = open_prompts("val", PROMPTS), open_prompts("test", HELD_OUT)
    begun = time.perf_counter()
    made, pictures = model.candidates(prompts)
    drawn = time.perf_counter() - begun
    pairs = choose(rater.utility(pictures), rater.noise, rng)
    if shuffled:
        pairs = np.where(rng.random(len(pairs))[:, None] < 0.5, pairs, pairs[:, ::-1])
    features = features_of(pictures)
    learnt = learn(features, torch.from_numpy(pairs.copy()), [prompts[w // EACH] for w, _ in pairs])
    scores = rewards(learnt.model, features)
    begun = time.perf_counter()
    tuned = model.tune(made, prompts, scores, report=lambda row: None, **(tune or {}))
    spent = time.perf_counter() - begun
    asked = [prompt for prompt in unseen for _ in range(4)]
    results, checked, probe = {}, paired_prompts("test", CHECKED), load_probe()
    for name, net in (("base", model.base), ("tuned", tuned)):
        model.use(net)
        results[name] = draw_all(model.engine, asked)
        told = draw_all(model.engine, [c.text for c in checked.english], first_seed=10_000)
        results[f"{name}_accuracy"] = judge(checked, told, probe)["mean"]
        real = probe_features(probe, checked.data.images(range(CHECKED)))
        results[f"{name}_coverage"] = float(density_coverage(real, probe_features(probe, told))[1])
    model.use(model.base)
    base, after = (rater.utility(results[name]) for name in ("base", "tuned"))
    guessed = rewards(learnt.model, features_of(results["base"])).reshape(-1, 4).argmax(1).numpy()
    best = base.reshape(-1, 4)[np.arange(len(unseen)), guessed]
    found = {
        "engine": kind, "rater": rater_name, "shuffled": shuffled, "pairs": len(pairs),
        "reward_accuracy": round(learnt.accuracy, 4), "strength": learnt.strength,
        "agreement": round(float(np.corrcoef(scores, rater.utility(pictures))[0, 1]), 4),
        "win": win_rate(after, base, 4), "best_of_4": win_rate(best, base.reshape(-1, 4)[:, 0], 1),
        **{k: round(v, 4) for k, v in results.items() if isinstance(v, float)},
        "seconds_candidates": round(drawn, 1), "seconds_tuning": round(spent, 1),
    }  # fmt: skip
    return found


def main() -> None:
    """Prove for the raters named, with and without shuffled choices, and store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rater", action="append")
    words = parser.parse_args()
    found = json.loads(FILE.read_text()) if FILE.exists() else {}
    for rater in words.rater or ("sunset", "meadow"):
        for shuffled in (False, True):
            row = prove("flow", rater, shuffled)
            print(row, flush=True)
            found[f"flow {rater}{' shuffled' if shuffled else ''}"] = row
            FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
