"""Which guidance and how many steps follow prompts best? Measured on validation scenes; writes JSON.

    python benchmarks/guidance.py

The studio's defaults (`mjcourse.studio.engine`) were chosen by this table, and not by the test prompts that
`mjcourse evaluate` uses.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
COUNT = 256
SETTINGS = ((1.0, 25), (2.0, 25), (3.0, 25), (4.0, 25), (5.0, 25), (6.0, 25), (8.0, 25), (5.0, 12), (5.0, 50))


def main() -> None:
    """Draw the validation prompts with each setting, half in each language, and store prompt accuracy."""
    from mjcourse.config import hardware
    from mjcourse.evaluate import draw_all, judge
    from mjcourse.files import sha256
    from mjcourse.metrics.alignment import paired_prompts
    from mjcourse.metrics.probe import load_probe
    from mjcourse.studio.engine import FlowEngine

    engine, probe, prompts = FlowEngine(), load_probe(), paired_prompts("val", COUNT)
    texts = [(en, zh)[i % 2].text for i, (en, zh) in enumerate(zip(prompts.english, prompts.chinese, strict=True))]
    rows = []
    for guidance_scale, steps in SETTINGS:
        pictures = draw_all(partial(engine, guidance_scale=guidance_scale, steps=steps), texts)
        found = judge(prompts, pictures, probe)
        white = float(np.mean((pictures > 250) | (pictures < 5)))  # too much guidance burns pictures out
        rows.append({"guidance_scale": guidance_scale, "steps": steps, "accuracy": found["mean"],
                     "interval": found["interval"], "all_named": found["all_named"],
                     "burnt_out": round(white, 4)})  # fmt: skip
        print(rows[-1], flush=True)
    table = {"date": time.strftime("%Y-%m-%d"), "hardware": hardware(), "prompts": COUNT, "split": "val",
             "flow": sha256(engine.path)[:16], "rows": rows}  # fmt: skip
    real = prompts.data.images(range(COUNT))
    table["burnt_out_real"] = round(float(np.mean((real > 250) | (real < 5))), 4)
    (HERE / "guidance.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
