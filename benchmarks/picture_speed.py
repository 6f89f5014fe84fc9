"""Seconds and memory for four pictures, as this machine is and as one without AVX-512 would be. Writes JSON.

    python benchmarks/picture_speed.py

Each setting runs in a process of its own: median of ten grids of four after one to warm up, and the time of the
whole command from a cold start.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTINGS = {"as_is": {}, "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}}
PROMPT = "a red sun over the sea, sandy beach, watercolor"


def measure(model: str) -> dict:
    """Return the median seconds of a grid of four once a model is loaded, and the peak memory of the process."""
    from mjcourse.config import hardware
    from mjcourse.studio.imagine import imagine

    imagine(PROMPT, seed=0, model=model)
    seconds = []
    for seed in range(10):
        start = time.perf_counter()
        imagine(PROMPT, seed=seed, model=model)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds_median": round(statistics.median(seconds), 3),
        "seconds_min_max": [round(min(seconds), 3), round(max(seconds), 3)],
        "peak_gigabytes": round(peak, 2),
        "hardware": hardware(),
    }


def main() -> None:
    """Measure each model in each setting in a fresh process, then the cold command, and store all of it."""
    if "--one" in sys.argv:
        print(json.dumps(measure(sys.argv[-1])))
        return
    from mjcourse.files import sha256
    from mjcourse.weights import find_weights

    found: dict = {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count()}
    for model in ("flow", "prior"):
        found[model] = {"weights": sha256(find_weights(model))[:16]}
        for name, env in SETTINGS.items():
            said = subprocess.check_output([sys.executable, __file__, "--one", model], env=os.environ | env, text=True)
            found[model][name] = json.loads(said.splitlines()[-1])
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "mjcourse.cli", "imagine", PROMPT, "--model", model]
                start = time.perf_counter()
                subprocess.run([*command, "-o", f"{folder}/out.png"], env=os.environ | env, check=True,
                               stdout=subprocess.DEVNULL)  # fmt: skip
                found[model][name]["cold_command_seconds"] = round(time.perf_counter() - start, 1)
    (HERE / "picture_speed.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
