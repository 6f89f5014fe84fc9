"""Recipe of stages ``autoencoder-kl`` and ``autoencoder-vq``: autoencoders on scenes at 64 px. Chapter 08."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mjcourse import config
from mjcourse.data.scenes import DATA_VERSION
from mjcourse.data.store import COUNTS, SceneData, to_tensor, to_uint8
from mjcourse.files import sha256
from mjcourse.metrics.probe import balanced_accuracy, load_probe, read_pictures
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.autoencoder import Autoencoder, AutoencoderConfig
from mjcourse.models.perceptual import PerceptualNet
from mjcourse.models.vq import VQAutoencoder, VQConfig, perplexity
from mjcourse.training.loop import LoopConfig, autocast
from mjcourse.training.painter import Painter, PainterTrainer, Terms
from mjcourse.training.probe import load_eye
from mjcourse.training.recipe import train_stage
from mjcourse.training.tellings import cached
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_weights

BATCH, REVIVE = 32, 50  # pictures a step; steps from one look for dead codes to the next


@dataclass(frozen=True)
class Plan:
    """What one of the two stages trains, and how."""

    model: type
    config: type
    steps: int
    terms: Terms


PLANS = {
    "autoencoder-kl": Plan(Autoencoder, AutoencoderConfig, 16_000, Terms(perceptual=0.03)),
    "autoencoder-vq": Plan(VQAutoencoder, VQConfig, 9000, Terms(perceptual=0.1, adversarial=0.1, start=6000)),
}


def load_autoencoder(stage: str, device: torch.device, path: Path | None = None) -> Autoencoder | VQAutoencoder:
    """Return a trained autoencoder, ``autoencoder-kl`` or ``autoencoder-vq``."""
    plan = PLANS[stage]
    return load_weights(plan.model(plan.config()), path or find_weights(stage), plan.config()).to(device)


@torch.no_grad()
def encoded(data: SceneData, stage: str, device: torch.device) -> np.ndarray:
    """Return what an autoencoder makes of a split, computed once and kept in the cache.

    Returns:
        Latents (N, C, H / 4, W / 4) float16 of ``autoencoder-kl``, tokens (N, H / 4, W / 4) uint16 of the other.
    """
    path = find_weights(stage)
    shape = "" if data.aspect == "1:1" else "-" + data.aspect.replace(":", "x")
    kept = config.CACHE / DATA_VERSION / f"{stage}-{sha256(path)[:12]}" / f"{data.split}-{len(data)}{shape}.npy"

    def compute() -> np.ndarray:
        model, parts = load_autoencoder(stage, device, path), []
        kind = torch.uint16 if stage == "autoencoder-vq" else torch.float16
        for start in range(0, len(data), 500):
            x = to_tensor(data.images(range(start, min(start + 500, len(data)))))
            with autocast(device, True):
                z = model.encode(x.to(device, memory_format=torch.channels_last))
            parts.append(z.to(kind).cpu())
            if start % 10_000 == 0:
                print(f"{stage} of {data.split}, {data.aspect}: {start:,} of {len(data):,}", flush=True)
        return torch.cat(parts).numpy()

    return cached(kept, compute)


def load_perceptual(device: torch.device) -> PerceptualNet:
    """Return the trained feature network of the perceptual term."""
    return load_eye("perceptual", device)


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train an autoencoder; its card states what `reconstruction_report` finds on held-out scenes."""
    device, plan = config.device(), PLANS[name]
    train, held_out = SceneData("train", COUNTS["train"]), SceneData("val", 1000)
    cfg = LoopConfig(
        steps=steps or plan.steps, batch_size=BATCH, lr=3e-3, warmup=150, weight_decay=1e-3, ema=0.998, seed=seed
    )
    torch.manual_seed(seed)
    net = Painter(plan.model(plan.config())).to(device, memory_format=torch.channels_last)
    val = to_tensor(held_out.images(range(256))).to(device, memory_format=torch.channels_last)

    def batch(model, step):
        g = config.generator(seed, step)
        picks = torch.randint(len(train), (cfg.batch_size,), generator=g).tolist()
        x = to_tensor(train.images(picks)).to(device, memory_format=torch.channels_last)
        if name == "autoencoder-vq":
            if step % REVIVE == 0:
                with torch.no_grad():
                    model.autoencoder.codebook.revive(model.autoencoder.encoder(x), g)
            return (x,)
        noise = torch.randn(len(picks), model.cfg.latent_channels, x.shape[2] // 4, x.shape[3] // 4, generator=g)
        return x, noise.to(device)

    def check(model, step):
        recon = torch.cat([model.autoencoder.decode(model.autoencoder.encode(part)) for part in val.split(64)])
        shown = torch.cat([val[:8], recon[:8].clamp(-1, 1)])
        grid(shown, cols=8, zoom=2).save(folder / f"samples-{step:06d}.png")
        return {"val_psnr": psnr(val, recon).mean()}

    def finish(model):
        if name == "autoencoder-kl":
            model.autoencoder.fit_scale(to_tensor(train.images(range(1000))).to(device))
        return reconstruction_report(model.autoencoder, held_out)

    class Trainer(PainterTrainer):
        terms, eye = plan.terms, load_perceptual(device) if plan.terms.perceptual else None

    train_stage(name, folder, net, batch, cfg, resume=resume, needs=needs, check=check, finish=finish,
                trainer=Trainer, part=lambda model: model.autoencoder)  # fmt: skip


@torch.no_grad()
def reconstruction_report(model: Autoencoder | VQAutoencoder, data: SceneData) -> dict[str, float]:
    """Return PSNR of a split's reconstructions, what the probe reads off them as a share of what it reads off the
    originals (mean over attributes of the balanced accuracy), and for tokens the perplexity of the codebook."""
    device = next(model.parameters()).device
    images = data.images(range(len(data)))
    latents, made = [], []
    for start in range(0, len(images), 100):
        latents.append(model.encode(to_tensor(images[start : start + 100]).to(device)))
        made.append(model.decode(latents[-1]).clamp(-1, 1).cpu())
    probe, truth = load_probe(device=device), data.attributes(range(len(data)))

    def accuracy(pictures: np.ndarray) -> float:
        read = read_pictures(probe, pictures)
        return float(np.mean([balanced_accuracy(truth[:, k], read[:, k]) for k in range(truth.shape[1])]))

    found = {"val_psnr": float(psnr(to_tensor(images), torch.cat(made)).mean())}
    found["probe_share"] = accuracy(to_uint8(torch.cat(made))) / accuracy(images)
    if isinstance(model, VQAutoencoder):
        found["val_perplexity"] = float(perplexity(torch.cat(latents), model.cfg.codes))
    return found
