"""Recipes of stages ``cvae`` and ``cgan``: the VAE and the GAN of chapters 02 and 03, told what to draw. Chapter 07."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.data.store import COUNTS, SceneData, to_tensor, to_uint8
from mjcourse.metrics.alignment import paired_prompts, prompt_accuracy
from mjcourse.metrics.probe import load_probe, read_pictures
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.conditional import CGAN, CVAE, CGANConfig, CVAEConfig, TextGenerator
from mjcourse.models.vae import vae_loss
from mjcourse.training.loop import LoopConfig
from mjcourse.training.matching import MatchingTrainer
from mjcourse.training.recipe import train_stage
from mjcourse.training.tellings import TOLD, tellings
from mjcourse.training.text import TextReader
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_weights

STEPS = {"cvae": 4500, "cgan": 6000}
BATCH = {"cvae": 64, "cgan": 32}
CHECKED = 500  # prompts that are judged on the way


class _Told:
    """Scenes with what the text encoder makes of their captions; batches are pure functions of seed and step."""

    def __init__(self, name: str, seed: int, device: torch.device) -> None:
        self.data, self.reader, self.device, self.seed = (
            SceneData("train", COUNTS["train"]),
            TextReader(device),
            device,
            seed,
        )
        self.batch_size = BATCH[name]
        self.told = tellings(self.data, self.reader, seed)
        self.prompts = paired_prompts("val", CHECKED, seed)
        both = [p.text for pair in zip(self.prompts.english, self.prompts.chinese, strict=True) for p in pair]
        self.asked = self.reader.encode([both[2 * i + i % 2] for i in range(CHECKED)])  # languages take turns
        self.probe = load_probe()

    def batch(self, step: int, latent: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return pictures (B, 3, 64, 64), noise (B, latent) and text (B, R, C)."""
        g = config.generator(self.seed, step)
        picks = torch.randint(len(self.data), (self.batch_size,), generator=g).tolist()
        x = to_tensor(self.data.images(picks)).to(self.device, memory_format=torch.channels_last)
        text = torch.from_numpy(self.told[picks, torch.randint(TOLD, (len(picks),), generator=g).numpy()])
        return x, torch.randn(len(x), latent, generator=g).to(self.device), text.float().to(self.device)

    def judge(self, draw, latent: int, folder: Path, step: int) -> dict[str, float]:
        """Return prompt accuracy of pictures of validation prompts, and its floor under shuffled prompts."""
        noise = torch.randn(CHECKED, latent, generator=config.generator(self.seed, 1)).to(self.device)
        made = [draw(z, t) for z, t in zip(noise.split(100), self.asked.split(100), strict=True)]
        pictures = to_uint8(torch.cat(made))
        grid(pictures[:32], cols=8, zoom=2).save(folder / f"samples-{step:06d}.png")
        read, p = read_pictures(self.probe, pictures), self.prompts
        floor = prompt_accuracy(p.truth, np.roll(read, CHECKED // 2, 0), p.named)["mean"]
        return {"accuracy": prompt_accuracy(p.truth, read, p.named)["mean"], "floor": floor}


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train ``cvae`` or ``cgan`` on what the frozen text encoder makes of two captions a scene."""
    device = config.device()
    told, total = _Told(name, seed, device), steps or STEPS[name]
    often = {"check_every": max(1, total // 10), "save_every": max(1, total // 20), "seed": seed}
    text = {"registers": told.reader.net.cfg.registers, "text_width": told.reader.net.cfg.width}
    torch.manual_seed(seed)
    if name == "cvae":
        cfg = LoopConfig(
            steps=total, batch_size=BATCH[name], lr=2e-3, warmup=200, weight_decay=1e-3, ema=0.998, **often
        )
        model = CVAE(CVAEConfig(**text)).to(device, memory_format=torch.channels_last)

        def loss(net, step):
            x, noise, words = told.batch(step, net.cfg.latent)
            return vae_loss(x, *net(x, noise, words), net.cfg.beta)

        def check(net, step):
            x, noise, words = told.batch(total + 1, net.cfg.latent)
            recon, mean, logvar = net(x, noise, words)
            kl = vae_loss(x, recon, mean, logvar, 1.0)[1]["kl"]
            return told.judge(net.decode, net.cfg.latent, folder, step) | {"kl": kl, "psnr": psnr(x, recon).mean()}

        train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check)
        return
    cfg = LoopConfig(
        steps=total, batch_size=BATCH[name], lr=1e-3, lr_end=0.05, warmup=100, weight_decay=0, betas=(0.0, 0.99),
        clip=10.0, ema=0.998, **often,
    )  # fmt: skip
    model = CGAN(CGANConfig(**text)).to(device, memory_format=torch.channels_last)

    def batch(net, step):
        return told.batch(step, net.cfg.latent)

    def check(net, step):
        return told.judge(net.generator, net.cfg.latent, folder, step)

    train_stage(
        name, folder, model, batch, cfg, resume=resume, needs=needs, check=check, trainer=MatchingTrainer,
        part=lambda net: net.generator,  # the discriminator has done its work
    )  # fmt: skip


def draw_told(model: CVAE | TextGenerator, noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Return pictures (B, 3, H, W) in -1 to 1 from noise (B, latent) and text (B, R, C)."""
    make = model.decode if isinstance(model, CVAE) else model
    return make(noise, text).clamp(-1, 1)


def load_conditional(name: str, device: torch.device | None = None) -> CVAE | TextGenerator:
    """Return the trained conditional VAE (``cvae``), or the generator of the conditional GAN (``cgan``)."""
    model = CVAE(CVAEConfig()) if name == "cvae" else TextGenerator(CGANConfig())
    return load_weights(model, find_weights(name), model.cfg).to(device or config.device())
