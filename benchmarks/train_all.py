"""How long does ``mjcourse train all`` take on this machine? Estimated stage by stage in a fraction of it; writes JSON.

    python benchmarks/train_all.py [STAGE ...]      (by default all; about half an hour on two quiet cores)

Each stage runs as `mjcourse train` runs it, from an empty cache on, but jumps from its first steps to its last ones:

    minutes = before the first step (drawing data, encoding, compiling) + steps × seconds a step
              + checks × seconds a check + saves × seconds a save + what comes after the last step

Seconds a step are those of the first and of the last steps, each for its share of the way: the VQ autoencoder's game
with a discriminator, for example, begins at two thirds of it. The taste of the house is trained whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

FILE = Path(__file__).resolve().with_suffix(".json")
ONCE, SKIPPED = 32, 3  # steps timed at either end, after some that allocate; every 16th step of a GAN has a penalty


@contextmanager
def watched():
    """Give what a training loop did and when, and make it jump to its last steps."""
    from mjcourse.training import loop

    seen = {"since": 0.0, "seconds": [], "_check": [], "save": []}  # seconds of each step, look and save
    own = {name: getattr(loop.Trainer, name) for name in ("fit", "_check", "save")}
    update = loop.Ema.update

    def fit(trainer):
        seen["trainer"] = trainer
        found = own["fit"](trainer)
        seen["ended"] = time.perf_counter()
        return found

    def timed(name):
        def look(trainer):
            begun = time.perf_counter()
            own[name](trainer)
            seen[name].append(time.perf_counter() - begun)
            seen["since"] = time.perf_counter()  # the next step begins here

        return look

    def step(ema, model, number):
        trainer = seen["trainer"]
        now = time.perf_counter()
        if seen["since"]:
            seen["seconds"].append(now - seen["since"])
        else:
            seen["first"] = now
        seen["since"] = now
        update(ema, model, number)
        if trainer.step + 1 == SKIPPED + ONCE:  # the loop counts the step after this
            trainer.step = trainer.cfg.steps - ONCE - SKIPPED - 1

    loop.Trainer.fit, loop.Ema.update = fit, step
    loop.Trainer._check, loop.Trainer.save = timed("_check"), timed("save")
    try:
        yield seen
    finally:
        loop.Ema.update = update
        for name, method in own.items():
            setattr(loop.Trainer, name, method)


def measure(stage: str, folder: Path) -> dict:
    """Run a stage with a jump in its middle; return the minutes that all of it would take, and where they go."""
    from mjcourse.config import hardware
    from mjcourse.training.autoencoder import PLANS
    from mjcourse.training.stages import train

    begun = time.perf_counter()
    if stage == "taste":
        train(stage, resume=False, out=folder)
        return {"minutes": round((time.perf_counter() - begun) / 60, 1), "hardware": hardware()}
    with watched() as seen:
        train(stage, resume=False, out=folder)
        ended = time.perf_counter()
    cfg, plan = seen["trainer"].cfg, PLANS.get(stage)
    first, last = mean(seen["seconds"][SKIPPED - 1 :][: ONCE - 1]), mean(seen["seconds"][-ONCE:])
    share = plan.terms.start / cfg.steps if plan and plan.terms.adversarial else 0.5
    found = {
        "before": seen["first"] - begun,
        "steps": cfg.steps * (share * first + (1 - share) * last),
        "checks": mean(seen["_check"] or [0]) * (cfg.steps // cfg.check_every),
        "saves": mean(seen["save"]) * (cfg.steps // cfg.save_every),
        "after": ended - seen["ended"],
    }
    return {
        "minutes": round(sum(found.values()) / 60, 1), **{name: round(value / 60, 2) for name, value in found.items()},
        "step": [round(first, 4), round(last, 4)], "hardware": hardware(),
    }  # fmt: skip


def main() -> None:
    """Measure each stage in a process of its own, and store all with their sum."""
    if sys.argv[1:2] == ["--one"]:
        print("\n" + json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
        return
    from mjcourse.training.stages import STAGES

    found = {"date": time.strftime("%Y-%m-%d"), "stages": {}}
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "MJCOURSE_CACHE": f"{home}/cache", "MJCOURSE_RUNS": f"{home}/runs"}
        for stage in sys.argv[1:] or STAGES:
            command = [sys.executable, __file__, "--one", stage, f"{home}/out/{stage}"]
            done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
            found["stages"][stage] = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
            print(stage, found["stages"][stage], flush=True)
    found["hours"] = round(sum(row["minutes"] for row in found["stages"].values()) / 60, 2)
    print(f"{found['hours']} hours in all")
    if set(found["stages"]) == set(STAGES):
        FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
