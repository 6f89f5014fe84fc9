"""Draw the pictures that chapter 12 has rated: 64 prompts × 8, kept as latents (1 MB).

    python scripts/build_candidates.py     a minute or two on two cores

The shipped flow's go to data/feedback (maintainers: after each training of `flow`), those of a flow of one's own, in
runs/flow, to runs/feedback. The same weights draw the same latents on the same machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mjcourse import config
from mjcourse.feedback.candidates import NAME, PROMPTS, draw_candidates, open_prompts, save_candidates
from mjcourse.studio.engine import FlowEngine
from mjcourse.studio.imagine import DEFAULTS


def main() -> None:
    """Draw and store them."""
    engine, how = FlowEngine(), DEFAULTS["flow"]
    home = config.DATA if engine.path.parent == config.WEIGHTS else config.RUNS
    prompts = open_prompts("val", PROMPTS)
    found = draw_candidates(
        engine, prompts, how["guidance"], how["steps"],
        report=lambda done, total: print(f"prompt {done} of {total}", flush=True) if done % 8 == 0 else None,
    )  # fmt: skip
    save_candidates(home / NAME, found, engine.digest)
    print(f"{home / NAME}: {len(found.z)} latents of {len(prompts)} prompts, {(home / NAME).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
