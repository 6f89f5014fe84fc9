"""What all recipes do around the loop: fresh start or resume, weights and card at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from torch import nn

from mjcourse.config import hardware
from mjcourse.data.scenes import DATA_VERSION
from mjcourse.files import sha256
from mjcourse.training.loop import LoopConfig, Trainer
from mjcourse.weights import find_weights, save_weights


def train_stage(
    name: str,
    folder: Path,
    model: nn.Module,
    loss: Callable,
    cfg: LoopConfig,
    *,
    resume: bool,
    needs: tuple[str, ...] = (),
    check: Callable | None = None,
    finish: Callable[[nn.Module], dict] | None = None,
    trainer: type[Trainer] = Trainer,
    part: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> None:
    """Run a stage's loop and write its averaged weights and card into `folder`.

    Args:
        name: the stage.
        folder: of the run; the checkpoint and log go there too.
        model, loss, cfg, check: as for `Trainer`.
        resume: whether to go on from a checkpoint; otherwise the old run's own files are deleted.
        needs: stages whose weights this one was trained on; their hashes go into the card.
        finish: called with the averaged model; may change it (measure scales), returns metrics.
        trainer: the kind of loop.
        part: of the averaged model, what is needed afterwards and goes into the weights: all of it, by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        for pattern in ("checkpoint.safetensors", "log.csv", f"{name}.*", "samples-*.png", f"snapshots/{name}-*.*"):
            for path in folder.glob(pattern):
                path.unlink()
    parents = {stage: sha256(find_weights(stage)) for stage in needs}
    identity = {"stage": name, "config": model.cfg, "upstream": parents, "data": DATA_VERSION}
    training = trainer(model, loss, cfg, folder, identity, check)
    if training.resume():
        print(f"{name}: going on from step {training.step} of {cfg.steps}")
    run = training.fit()
    if run.interrupted:
        print(f"{name}: stopped and saved at step {run.steps}; the same command goes on from there")
        raise KeyboardInterrupt
    training.averaged()
    metrics = finish(model) if finish else {}
    last = next((row for row in reversed(run.log)), {})
    card = {
        "stage": name,
        "data": DATA_VERSION,
        "parameters": sum(p.numel() for p in part(model).parameters()),
        "seed": cfg.seed,
        "steps": run.steps,
        "batch_size": cfg.batch_size,
        "minutes": round(run.seconds / 60, 1),
        "hardware": hardware(),
        "date": time.strftime("%Y-%m-%d"),
        "upstream": parents,
        "metrics": {k: round(float(v), 4) for k, v in {**last, **metrics}.items() if k not in ("step", "seconds")},
    }
    path = folder / f"{name}.safetensors"
    save_weights(path, part(model), model.cfg, card)
    print(f"{name}: {run.steps} steps in {run.seconds / 60:.1f} min; weights and card in {os.path.relpath(folder)}")
