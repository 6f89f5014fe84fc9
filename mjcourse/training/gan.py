"""Recipe of stage ``gan``: the relativistic GAN with R1 and R2 on scenes at 64 px. Chapter 03."""

from __future__ import annotations

from pathlib import Path

import torch

from mjcourse import config
from mjcourse.data.store import COUNTS, SceneData, to_tensor, to_uint8
from mjcourse.metrics.distribution import density_coverage, frechet_distance, probe_features
from mjcourse.metrics.probe import load_probe
from mjcourse.metrics.report import distances
from mjcourse.models.gan import GAN, GANConfig
from mjcourse.training.adversarial import AdversarialTrainer
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_weights

STEPS, BATCH = 10_000, 32
SAMPLES = 2000  # pictures that the card's numbers are of


def load_gan(device: torch.device | None = None) -> GAN:
    """Return the trained GAN: its generator, that is; the discriminator has done its work and is not kept."""
    cfg = GANConfig()
    net = GAN(cfg)
    load_weights(net.generator, find_weights("gan"), cfg)
    return net.eval().requires_grad_(False).to(device or config.device())


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train the GAN; the log has the Fréchet distance and coverage of 1,000 pictures on the way."""
    device = config.device()
    train, held_out, probe = SceneData("train", COUNTS["train"]), SceneData("val", COUNTS["val"]), load_probe()
    real = probe_features(probe, held_out.images(range(1000)))
    total = steps or STEPS
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=1e-3, lr_end=0.05, warmup=100, weight_decay=0, betas=(0.0, 0.99), clip=10.0,
        ema=0.998, seed=seed, check_every=max(1, total // 20), save_every=max(1, total // 40),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = GAN(GANConfig()).to(device, memory_format=torch.channels_last)
    fixed = torch.randn(1000, model.cfg.latent, generator=config.generator(seed, 1)).to(device)

    def batch(net, step):
        g = config.generator(seed, step)
        picks = torch.randint(len(train), (cfg.batch_size,), generator=g).tolist()
        x = to_tensor(train.images(picks)).to(device, memory_format=torch.channels_last)
        return x, torch.randn(len(x), net.cfg.latent, generator=g).to(device)

    def check(net, step):
        made = torch.cat([net(z) for z in fixed.split(100)])
        grid(made[:32], cols=8, zoom=2).save(folder / f"samples-{step:06d}.png")
        found = probe_features(probe, to_uint8(made))
        return {"frechet": frechet_distance(real, found), "coverage": density_coverage(real, found)[1]}

    def finish(net):
        with torch.no_grad():
            noise = torch.randn(SAMPLES, net.cfg.latent, generator=config.generator(seed, 2)).to(device)
            made = torch.cat([net(z) for z in noise.split(100)])
        return distances(SceneData("test", SAMPLES).images(range(SAMPLES)), to_uint8(made), probe)

    train_stage(
        name,
        folder,
        model,
        batch,
        cfg,
        resume=resume,
        needs=needs,
        check=check,
        finish=finish,
        trainer=AdversarialTrainer,
        part=lambda net: net.generator,
    )
