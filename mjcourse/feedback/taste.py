"""A taste: where the flow's weights move to draw what someone likes, and how far along the way. Chapter 12.

    θ(s) = θ₀ + s · (θ_taste - θ₀),     s from 0 (the base) to 1 (all the way)

Wortsman et al. 2022 (between the weights of a model and its tuned copy lie models between the two), Ilharco et al. 2023
(their difference as a thing of its own). A step costs the same at any strength.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from mjcourse import config
from mjcourse.config import UserError, hardware
from mjcourse.data.scenes import DATA_VERSION
from mjcourse.feedback.candidates import Candidates, real_scenes
from mjcourse.feedback.reward import Learnt
from mjcourse.feedback.tune import TUNING, tune_flow
from mjcourse.files import sha256
from mjcourse.models.flow import FlowConfig, FlowTransformer
from mjcourse.training.loop import LoopConfig
from mjcourse.weights import find_weights, load_tensors, load_trained, save_weights

REAL = 600  # training scenes mixed in

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Taste:
    """What to add to a flow's weights: a transformer that holds θ_taste - θ₀, and the hash of the file of θ₀."""

    change: FlowTransformer
    flow: str


def moved(flow: FlowTransformer, taste: Taste, strength: float) -> FlowTransformer:
    """Return a copy of a flow whose weights went a share of the way to a taste, θ₀ + s · (θ_taste - θ₀).

    Args:
        flow: θ₀; it stays as it is.
        taste: learnt on it.
        strength: s, from 0 to 1.
    """
    made = copy.deepcopy(flow)
    with torch.no_grad():
        for own, change in zip(made.parameters(), taste.change.parameters(), strict=True):
            own.add_(change.to(own.device), alpha=strength)
    return made.eval()


def learn_change(
    engine, drawn: Candidates, scores: torch.Tensor, report: Report, cfg: LoopConfig = TUNING
) -> FlowTransformer:
    """Tune a copy of an engine's flow to draw what has high scores, and return θ_taste - θ₀.

    Args:
        engine: the studio's ``FlowEngine``.
        drawn: pictures that it drew.
        scores: how much each is liked, (N,).
        report: told (steps done, steps) at each; what it raises stops the tuning.
        cfg: how long and how fast.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    text = engine.read(drawn.prompts).repeat_interleave(drawn.each, 0)
    real = real_scenes(engine, REAL)
    with torch.enable_grad():  # whoever draws has switched it off
        tuned = tune_flow(engine.flow, drawn.z.to(engine.device), text, scores, drawn.groups, real, cfg=cfg,
                          report=lambda row: report(row["step"], cfg.steps))  # fmt: skip
    with torch.no_grad():
        for change, base in zip(tuned.parameters(), engine.flow.parameters(), strict=True):
            change.sub_(base)
    return tuned.requires_grad_(False)


def save_taste(
    path: Path,
    engine,
    change: FlowTransformer,
    learnt: Learnt,
    cfg: LoopConfig,
    seconds: float,
    rater: str,
    **metrics: float,
) -> None:
    """Write a taste, packed as all weights, and its card.

    Args:
        path: ``….safetensors``; the card goes to ``….json``.
        engine: whose flow it is for.
        change, learnt, cfg: θ_taste - θ₀, the reward model, and how it was tuned.
        seconds: that it took.
        rater: whose taste it is.
        metrics: what else the card shall state.
    """
    metrics = {"reward_accuracy": learnt.accuracy, "penalty": learnt.strength, **metrics}
    card = {
        "stage": "taste",
        "data": DATA_VERSION,
        "parameters": sum(p.numel() for p in change.parameters()),
        "rater": rater,
        "seed": cfg.seed,
        "steps": cfg.steps,
        "batch_size": cfg.batch_size,
        "minutes": round(seconds / 60, 1),
        "hardware": hardware(),
        "date": time.strftime("%Y-%m-%d"),
        "upstream": upstream(engine),
        "metrics": {name: round(float(value), 4) for name, value in metrics.items()},
    }
    save_weights(path, change, change.cfg, card)


def upstream(engine) -> dict[str, str]:
    """Return the hashes of all weights that a taste is learnt from."""
    flows = load_tensors(engine.path)[1]["upstream"]
    return {"flow": engine.digest, "reward": sha256(find_weights("reward")), **flows}


def load_taste(path: Path) -> Taste:
    """Return the taste of a file, which is read again only when it has changed.

    Raises:
        UserError: as for `load_trained`, or it does not say for which flow it is.
    """
    stat = path.stat()
    return _load(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _load(path: Path, *_: int) -> Taste:
    change = load_trained(FlowTransformer, FlowConfig, path)
    flow = load_tensors(path)[1].get("upstream", {}).get("flow")
    if flow is None:
        raise UserError(f"{path.name} does not say which flow it is for; train it anew with `mjcourse train taste`.")
    return Taste(change, flow)


def house_taste(engine) -> Taste | None:
    """Return the taste of the house for an engine's flow, the learner's own training first; None where there is none.

    Raises:
        UserError: a file is damaged.
    """
    for folder in (config.RUNS / "taste", config.WEIGHTS):
        path = folder / "taste.safetensors"
        if path.exists() and (taste := load_taste(path)).flow == engine.digest:
            return taste
    return None
