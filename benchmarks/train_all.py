"""How long does ``mjcourse train all`` take on this machine? Estimated stage by stage in a fraction of it; writes JSON.

    python benchmarks/train_all.py      (about a quarter of an hour on two quiet cores)

Each stage runs as `mjcourse train` runs it, but jumps from its first steps to its last ones:

    minutes = before the first step + steps × seconds a step
              + checks × seconds a check + saves × seconds a save + what comes after the last step

Seconds a step are those of the first and of the last steps, each for its share of the way: the VQ autoencoder's game
with a discriminator, for example, begins at two thirds of it. The taste of the house is trained whole. What stages keep
in the cache (scenes drawn, latents, tokens, captions read) is timed apart, on some scenes and from an empty cache, and
counted once for all scenes; the stages find it there.
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
SOME = 1000  # scenes of which the data are timed


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


def measure_data() -> dict:
    """Return the minutes that the cache of all stages takes, from those of `SOME` scenes in an empty one."""
    import torch

    from mjcourse.data.store import COUNTS, SceneData
    from mjcourse.training import flow, upscaler
    from mjcourse.training.autoencoder import encoded
    from mjcourse.training.standing import standing
    from mjcourse.training.tellings import tellings
    from mjcourse.training.text import TextReader

    device, everything, wide = torch.device("cpu"), COUNTS["train"], 4 * flow.WIDE
    reader = TextReader(device)

    def minutes(compute, scenes: int, some: int = SOME) -> float:
        begun = time.perf_counter()
        compute(some)
        return round((time.perf_counter() - begun) / some * scenes / 60, 1)

    def drawn(some: int, size: int = 64) -> None:
        SceneData("train", some, size=size).images(range(some))

    def kept(kind) -> object:
        return lambda some: kind(SceneData("train", some))

    return {
        "scenes": minutes(drawn, everything + wide),
        "scenes at 256 px": minutes(lambda some: drawn(some, 256), upscaler.SCENES, 200),
        "latents": minutes(kept(lambda data: encoded(data, "autoencoder-kl", device)), everything + wide),
        "tokens": minutes(kept(lambda data: encoded(data, "autoencoder-vq", device)), everything),
        "captions": minutes(kept(lambda data: tellings(data, reader, 0)), everything),
        "things": minutes(kept(standing), everything + wide),
    }


def main() -> None:
    """Measure the data and each stage in a process of its own, and store all with their sum."""
    if sys.argv[1:2] == ["--data"]:
        print("\n" + json.dumps(measure_data()))
        return
    if sys.argv[1:2] == ["--one"]:
        print("\n" + json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
        return
    from mjcourse.training.stages import STAGES

    def said(*words: str, **env: str) -> dict:
        command = [sys.executable, __file__, *words]
        done = subprocess.run(command, env={**os.environ, **env}, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.strip().rsplit("\n", 1)[-1])

    with tempfile.TemporaryDirectory() as home:
        data = said("--data", MJCOURSE_CACHE=f"{home}/cache")
        found = {"date": time.strftime("%Y-%m-%d"), "data": data, "stages": {}}
        print(data, flush=True)
        for stage in STAGES:
            found["stages"][stage] = said("--one", stage, f"{home}/out/{stage}", MJCOURSE_RUNS=f"{home}/runs")
            print(stage, found["stages"][stage], flush=True)
    total = sum(data.values()) + sum(row["minutes"] for row in found["stages"].values())
    found["hours"] = round(total / 60, 2)
    print(f"{found['hours']} hours in all")
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
