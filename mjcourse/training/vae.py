"""Recipe of stages ``vae`` and ``vae-plain``: the VAE, and the same networks as a plain autoencoder. Chapter 02."""

from __future__ import annotations

from pathlib import Path

import torch

from mjcourse import config
from mjcourse.data.store import COUNTS, SceneData, to_tensor, to_uint8
from mjcourse.metrics.probe import load_probe
from mjcourse.metrics.reconstruction import psnr, ssim
from mjcourse.metrics.report import distances
from mjcourse.models.vae import VAE, VAEConfig, vae_loss
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_weights

STEPS, BATCH = 8000, 64
SAMPLES = 2000  # pictures that the card's numbers are of


def stage_config(name: str) -> VAEConfig:
    """Return the configuration of stage ``vae`` or ``vae-plain``."""
    return VAEConfig(beta=0.0) if name == "vae-plain" else VAEConfig()


def load_vae(name: str = "vae", device: torch.device | None = None) -> VAE:
    """Return the trained VAE, or with ``vae-plain`` the plain autoencoder."""
    cfg = stage_config(name)
    return load_weights(VAE(cfg), find_weights(name), cfg).to(device or config.device())


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train the VAE; `vae-plain` has no noise and no KL, so that chapter 02 can compare."""
    device, plain = config.device(), name == "vae-plain"
    train, held_out = SceneData("train", COUNTS["train"]), SceneData("val", COUNTS["val"])
    total = steps or STEPS
    cfg = LoopConfig(
        steps=total, batch_size=BATCH, lr=2e-3, warmup=200, weight_decay=1e-3, ema=0.998, seed=seed,
        check_every=max(1, total // 12), save_every=max(1, total // 12),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = VAE(stage_config(name)).to(device, memory_format=torch.channels_last)

    def batch(data, picks):
        return to_tensor(data.images(picks)).to(device, memory_format=torch.channels_last)

    def noise(count, g):
        return torch.randn(count, model.cfg.latent, generator=g).to(device) * (0 if plain else 1)

    val, few = batch(held_out, range(512)), noise(512, config.generator(seed, 1))

    def loss(net, step):
        g = config.generator(seed, step)
        picks = torch.randint(len(train), (cfg.batch_size,), generator=g).tolist()
        x = batch(train, picks)
        return vae_loss(x, *net(x, noise(len(x), g)), net.cfg.beta)

    def check(net, step):
        recon, mean, logvar = net(val, few)
        made = net.decode(few[:16] if not plain else gaussian_codes(mean, 16, seed))
        grid(torch.cat([val[:8], recon[:8], made]).clamp(-1, 1), cols=8, zoom=2).save(
            folder / f"samples-{step:06d}.png"
        )
        _, parts = vae_loss(val, recon, mean, logvar, net.cfg.beta)
        return {"val_psnr": parts["psnr"], "val_kl": parts["kl"]}

    @torch.no_grad()
    def finish(net):
        x = batch(train, range(1000))
        net.fit_sigma(x, noise(len(x), config.generator(seed, 2)))
        codes = torch.cat(
            [net.encode(batch(train, range(i, i + 500)))[0] for i in range(0, min(5000, len(train)), 500)]
        )
        z = gaussian_codes(codes, SAMPLES, seed) if plain else noise(SAMPLES, config.generator(seed, 3))
        made = torch.cat([net.decode(part) for part in z.split(100)])
        test = SceneData("test", SAMPLES).images(range(SAMPLES))
        real = to_tensor(test)
        recon = torch.cat([net.decode(net.encode(x.to(device))[0]).cpu() for x in real.split(100)])
        found = {"sigma": net.sigma, "test_psnr": psnr(real, recon).mean(), "test_ssim": ssim(real, recon).mean()}
        return found | distances(test, to_uint8(made), load_probe())

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check, finish=finish)


def gaussian_codes(mean: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Draw codes (count, latent) from the Gaussian fitted to codes (N, latent): all a plain autoencoder can offer."""
    centred = mean.double() - mean.double().mean(0)
    spread, axes = torch.linalg.eigh(centred.T @ centred / (len(mean) - 1))
    eps = torch.randn(count, mean.shape[1], generator=config.generator(seed, 3), dtype=torch.float64).to(mean.device)
    return (mean.double().mean(0) + (eps * spread.clamp(min=0).sqrt()) @ axes.T).to(mean.dtype)
