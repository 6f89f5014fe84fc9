"""Every stage that `mjcourse train` knows, in the order in which they depend on each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.weights import find_weights


@dataclass(frozen=True)
class Stage:
    """A model to train: where its recipe is, what it needs first, and what it is for."""

    name: str
    module: str
    needs: tuple[str, ...]
    purpose: str

    @property
    def run(self) -> Callable:
        """The recipe: ``run(folder, *, name, steps, seed, resume, needs)``."""
        return importlib.import_module(self.module).run


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("probe", "mjcourse.training.probe", (), "reads a picture's attributes: judges the generators"),
        Stage("probe-second", "mjcourse.training.probe", (), "a different judge, to confirm the first"),
        Stage("perceptual", "mjcourse.training.probe", (), "features that compare two pictures as an eye might"),
        Stage("reward", "mjcourse.training.probe", (), "features that a model of taste is built on"),
        Stage("vae", "mjcourse.training.vae", (), "pictures to short codes and back, and new ones from noise"),
        Stage("vae-plain", "mjcourse.training.vae", (), "the same networks without noise and KL, to compare"),
        Stage("gan", "mjcourse.training.gan", (), "new pictures from noise by a game of two networks"),
        Stage("autoencoder-kl", "mjcourse.training.autoencoder", ("perceptual",), "pictures to small latents and back"),
        Stage("autoencoder-vq", "mjcourse.training.autoencoder", ("perceptual",), "pictures to 256 tokens and back"),
        Stage("text", "mjcourse.training.text", (), "reads captions, English and Chinese"),
        Stage("mood", "mjcourse.training.mood", ("text",), "reads which mood a caption names"),
        Stage("clip", "mjcourse.training.clip", ("text",), "puts pictures and words into one space"),
        Stage("cvae", "mjcourse.training.conditional", ("text",), "words to pictures by a conditional VAE"),
        Stage("cgan", "mjcourse.training.conditional", ("text",), "words to pictures by a conditional GAN"),
        Stage("cvae-emoji", "mjcourse.training.emoji_cvae", (), "emoji from one style to another"),
        Stage("prior", "mjcourse.training.prior", ("autoencoder-vq", "text"), "words to tokens by GPT-2"),
        Stage("flow", "mjcourse.training.flow", ("autoencoder-kl", "text"), "words to latents by flow matching"),
        Stage("taste", "mjcourse.studio.house", ("flow", "text", "autoencoder-kl", "reward"), "where --stylize leads"),
        Stage("upscaler", "mjcourse.training.upscaler", ("perceptual", "autoencoder-kl"), "64 px pictures to 256 px"),
    )
}


def train(stage: str, *, resume: bool = True, steps: int | None = None, out: Path | None = None, seed: int = 0) -> None:
    """Train one stage, or ``all`` in order (chapter 02 explains the loop).

    Args:
        stage: a name of `STAGES`, or ``all``.
        resume: go on from a checkpoint where there is one.
        steps: other than the recipe's number of steps; the learning-rate schedule stretches with it.
        out: folder of the run; by default ``runs/STAGE``.
        seed: seed of initial weights, batches and noise.

    Raises:
        UserError: an unknown stage, or a stage whose upstream weights are missing.
    """
    if stage == "all":
        for name in STAGES:
            train(name, resume=resume, steps=steps, out=out and out / name, seed=seed)
        return
    if stage not in STAGES:
        raise UserError(f"there is no stage {stage!r}; allowed are {', '.join(STAGES)}, all.")
    if steps is not None and steps < 1:
        raise UserError(f"cannot train for {steps} steps; ask for 1 or more.")
    folder = out or config.RUNS / stage
    found = STAGES[stage]
    for upstream in found.needs:
        find_weights(upstream)  # said now, rather than after the data are drawn
    print(f"{stage}: {found.purpose}")
    found.run(folder, name=stage, steps=steps, seed=seed, resume=resume, needs=found.needs)
