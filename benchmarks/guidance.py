"""Which guidance, how many steps and rounds, which temperature follow prompts best? Measured on validation scenes.

    python benchmarks/guidance.py [flow] [prior] [ways]

`ways` asks of more prompts, in both languages, what rounds are worth beside a finer walk with as many evaluations.

The studio's defaults (`mjcourse.studio.imagine.DEFAULTS`) were chosen by these tables, and not by the test prompts
that `mjcourse evaluate` uses.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

FILE = Path(__file__).resolve().with_suffix(".json")
COUNT = {"flow": 256, "prior": 256, "ways": 1000}
SETTINGS = {
    "flow": [
        *({"guidance_scale": s, "steps": 25, "rounds": 3} for s in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)),
        *({"guidance_scale": 3.0, "steps": n, "rounds": 3} for n in (12, 18, 50)),
        *({"guidance_scale": 3.0, "steps": 25, "rounds": r} for r in (1, 2, 5)),
        {"guidance_scale": 3.0, "steps": 49, "rounds": 1},
    ],
    "ways": [{"steps": 25, "rounds": 1}, {"steps": 49, "rounds": 1}, {"steps": 25, "rounds": 3}],  # of the flow
    "prior": [
        *({"guidance_scale": s, "temperature": 1.0} for s in (1.0, 2.0, 3.0, 4.0, 6.0)),
        *({"guidance_scale": 3.0, "temperature": t} for t in (0.7, 0.85)),
        {"guidance_scale": 3.0, "temperature": 1.0, "top_k": 100},
    ],
}


def main() -> None:
    """Draw the validation prompts with each setting, half in each language, and store prompt accuracy."""
    from mjcourse.config import hardware
    from mjcourse.evaluate import draw_all, judge
    from mjcourse.files import sha256
    from mjcourse.metrics.alignment import paired_prompts
    from mjcourse.metrics.probe import load_probe
    from mjcourse.studio.engine import default_engine

    probe, found = load_probe(), json.loads(FILE.read_text()) if FILE.exists() else {}
    for model in sys.argv[1:] or SETTINGS:
        engine, rows = default_engine("flow" if model == "ways" else model), []
        count, prompts = COUNT[model], paired_prompts("val", COUNT[model])
        texts = [(en, zh)[i % 2].text for i, (en, zh) in enumerate(zip(prompts.english, prompts.chinese, strict=True))]
        real = prompts.data.images(range(count))
        for setting in SETTINGS[model]:
            pictures = draw_all(partial(engine, **setting), texts)
            judged = judge(prompts, pictures, probe)
            white = float(np.mean((pictures > 250) | (pictures < 5)))  # too much guidance burns pictures out
            rows.append({**setting, "accuracy": judged["mean"], "interval": judged["interval"],
                         "all_named": judged["all_named"], "burnt_out": round(white, 4),
                         "companion": judged["by_attribute"]["companion"]})  # fmt: skip
            print(model, rows[-1], flush=True)
        found[model] = {
            "date": time.strftime("%Y-%m-%d"), "hardware": hardware(), "prompts": count, "split": "val",
            "weights": sha256(engine.path)[:16], "rows": rows,
            "burnt_out_real": round(float(np.mean((real > 250) | (real < 5))), 4),
        }  # fmt: skip
        FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
