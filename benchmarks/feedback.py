"""Do 200 choices change what an engine draws? The full proof of chapter 12, for gold raters and controls; writes JSON.

    python benchmarks/feedback.py [--engine flow|prior] [--rater sunset|meadow] [--coins 3]      (by default all)

Draw candidates for prompts that leave the light open, let a gold rater choose within pairs, learn a
reward model, tune, and draw prompts that the rating never saw. A second rater with another taste, and choices made by a
coin, go through the same code. The flow is also tuned on the same pictures with no choice at all, all of them alike:
being tuned on pictures drawn with guidance makes them more vivid, whoever chose, and a rater may like that. So what the
choices bring is told twice, over the base (`win`) and over that one (`win_over_alike`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).resolve().with_suffix(".json")
HELD_OUT, PAIRS, CHECKED = 64, 200, 500


class Flow:
    """The flow model as this proof needs it: candidates as latents, and a copy that was tuned."""

    def __init__(self) -> None:
        from mjcourse.studio.engine import default_engine

        self.engine = default_engine("flow")
        self.base = self.engine.flow

    def candidates(self, prompts: list[str]):
        """Return candidates as latents, and their pictures."""
        from mjcourse.feedback.candidates import draw_candidates, paint_all
        from mjcourse.studio.imagine import DEFAULTS

        made = draw_candidates(self.engine, prompts, DEFAULTS["flow"]["guidance"], DEFAULTS["flow"]["steps"])
        return made, paint_all(self.engine, made.z)

    def tune(self, made, scores: torch.Tensor):
        """Return a copy that went all the way to the taste, learnt as `--p` learns it."""
        from mjcourse.feedback.taste import Taste, learn_change, moved

        change = learn_change(self.engine, made, scores, lambda done, steps: None)
        return moved(self.base, Taste(change, self.engine.digest), 1.0)

    def use(self, net) -> None:
        """Draw with this network from now on."""
        self.engine.flow = net


class Prior:
    """The prior as this proof needs it: candidates as tokens, and a copy that was tuned by DPO."""

    def __init__(self) -> None:
        from mjcourse.studio.engine import default_engine

        self.engine = default_engine("prior")
        self.base = self.engine.prior

    def candidates(self, prompts: list[str]):
        """Return candidates as tokens, and their pictures."""
        from mjcourse.feedback.candidates import EACH, Candidates, paint_all
        from mjcourse.studio.imagine import DEFAULTS

        tokens = []
        for p, prompt in enumerate(prompts):
            noise = self.engine.noise(range(1000 * p, 1000 * p + EACH))
            tokens.append(self.engine.write(noise, self.engine.read([prompt] * EACH), DEFAULTS["prior"]["guidance"]))
        made = Candidates(tuple(prompts), torch.cat(tokens).cpu())
        return made, paint_all(self.engine, made.z)

    def tune(self, made, scores: torch.Tensor):
        """Return a copy that prefers each of the better half of a prompt's candidates to one of the worse half."""
        from mjcourse.feedback.tune import tune_prior

        best_first = scores.view(-1, made.each).argsort(1, descending=True)
        order = best_first + torch.arange(0, len(made.z), made.each)[:, None]
        better, worse = (half.flatten() for half in order.split(made.each // 2, 1))
        text = self.engine.read(made.prompts).repeat_interleave(made.each // 2, 0)
        return tune_prior(self.base, made.z[better], made.z[worse], text)

    def use(self, net) -> None:
        """Draw with this network from now on."""
        self.engine.prior = net


ENGINES = {"flow": Flow, "prior": Prior}


def prove(kind: str, rater_name: str, coin: int | None = None) -> dict:
    """Go the whole way once, with the rater's choices or those of a coin of that seed, and return what was found."""
    from mjcourse.config import hardware
    from mjcourse.evaluate import draw_all, judge
    from mjcourse.feedback.candidates import PROMPTS, open_prompts
    from mjcourse.feedback.choices import choose, win_rate
    from mjcourse.feedback.gold import GOLD
    from mjcourse.feedback.reward import features_of, learn, rewards
    from mjcourse.files import sha256
    from mjcourse.metrics.alignment import paired_prompts
    from mjcourse.metrics.distribution import density_coverage, probe_features
    from mjcourse.metrics.probe import load_probe

    rater, model, rng = GOLD[rater_name], ENGINES[kind](), np.random.default_rng(5)
    prompts = open_prompts("val", PROMPTS)
    unseen = open_prompts("test", HELD_OUT, prompts)
    begun = time.perf_counter()
    made, pictures = model.candidates(prompts)
    drawn = time.perf_counter() - begun
    pairs = choose(rater.utility(pictures), rater.noise, rng, PAIRS, made.each)
    if coin is not None:
        heads = np.random.default_rng([7, coin]).random(len(pairs)) < 0.5
        pairs = np.where(heads[:, None], pairs, pairs[:, ::-1])
    features = features_of(pictures)
    learnt = learn(features, torch.from_numpy(pairs.copy()), [prompts[w // made.each] for w, _ in pairs])
    scores = rewards(learnt.model, features)
    begun = time.perf_counter()
    tuned = model.tune(made, scores)
    spent = time.perf_counter() - begun
    nets = {"base": model.base, "tuned": tuned}
    if kind == "flow":
        nets["alike"] = model.tune(made, torch.zeros_like(scores))
    asked = [prompt for prompt in unseen for _ in range(4)]
    results, checked, probe = {}, paired_prompts("test", CHECKED), load_probe()
    for name, net in nets.items():
        model.use(net)
        results[name] = draw_all(model.engine, asked)
        if name == "alike":
            continue
        told = draw_all(model.engine, [c.text for c in checked.english], first_seed=10_000)
        results[f"{name}_accuracy"] = judge(checked, told, probe)["mean"]
        real = probe_features(probe, checked.data.images(range(CHECKED)))
        results[f"{name}_coverage"] = float(density_coverage(real, probe_features(probe, told))[1])
    model.use(model.base)
    liked = {name: rater.utility(results[name]) for name in nets}
    base, after = liked["base"], liked["tuned"]
    alike = {"win_over_alike": win_rate(after, liked["alike"], 4)} if "alike" in nets else {}
    guessed = rewards(learnt.model, features_of(results["base"])).reshape(-1, 4).argmax(1).numpy()
    best = base.reshape(-1, 4)[np.arange(len(unseen)), guessed]
    found = {
        "engine": kind, "rater": rater_name, "coin": coin, "pairs": len(pairs),
        "reward_accuracy": round(learnt.accuracy, 4), "strength": learnt.strength,
        "agreement": round(float(np.corrcoef(scores, rater.utility(pictures))[0, 1]), 4),
        "win": win_rate(after, base, 4), **alike,
        "best_of_4": win_rate(best, base.reshape(-1, 4)[:, 0], 1),
        **{k: round(v, 4) for k, v in results.items() if isinstance(v, float)},
        "seconds_candidates": round(drawn, 1), "seconds_tuning": round(spent, 1),
        "weights": sha256(model.engine.path)[:16], "hardware": hardware(), "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    return found


def main() -> None:
    """Prove for the raters named, and for coins (one may agree with a rater by chance, several not); store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", action="append", choices=ENGINES)
    parser.add_argument("--rater", action="append")
    parser.add_argument("--coins", type=int, default=3, help="of the first rater's choices, made by so many coins")
    words = parser.parse_args()
    raters = words.rater or ("sunset", "meadow")
    runs = [(rater, None) for rater in raters] + [(raters[0], coin) for coin in range(words.coins)]
    for engine, (rater, coin) in itertools.product(words.engine or ENGINES, runs):
        row = prove(engine, rater, coin)
        print(row, flush=True)
        found = json.loads(FILE.read_text()) if FILE.exists() else {}  # now: another process may have written, too
        found[f"{engine} {rater}{'' if coin is None else f', coin {coin}'}"] = row
        FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
