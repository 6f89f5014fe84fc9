"""Recipe of stage ``upscaler``: 64 px pictures to 256 px, on scenes drawn at both sizes. Chapter 11."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from mjcourse import config
from mjcourse.data.store import SceneData, to_tensor, to_uint8
from mjcourse.metrics.probe import Probe, load_probe
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.autoencoder import reconstruction_loss
from mjcourse.models.perceptual import perceptual_distance
from mjcourse.models.upscaler import FACTOR, Upscaler, UpscalerConfig, bicubic
from mjcourse.training.autoencoder import load_autoencoder, load_perceptual
from mjcourse.training.loop import LoopConfig, autocast
from mjcourse.training.recipe import train_stage
from mjcourse.viz import grid
from mjcourse.weights import find_weights, load_trained

STEPS, BATCH = 9000, 16
SCENES = 4000  # training scenes drawn at 256 px, 0.8 GB of cache
SIDE = 32  # of the square cut out of a picture to train on, in pixels of the small one
PERCEPTUAL = 0.02  # how much the perceptual distance counts beside the reconstruction
PAINTED = 0.5  # share of small pictures that the autoencoder has painted, as it does those that will be upscaled


def load_upscaler(device: torch.device) -> Upscaler:
    """Return the trained upscaler."""
    return load_trained(Upscaler, UpscalerConfig, find_weights("upscaler")).to(device)


def cut(small: np.ndarray, large: np.ndarray, g: torch.Generator, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Cut the same square out of a picture at both sizes, at a random place.

    Args:
        small, large: (H, W, 3) and (4 H, 4 W, 3).
        side: of the square, in pixels of the small one.

    Returns:
        (side, side, 3) and (4 side, 4 side, 3).
    """
    y, x = (int(torch.randint(n - side + 1, (), generator=g)) for n in small.shape[:2])
    there = np.s_[y * FACTOR : (y + side) * FACTOR, x * FACTOR : (x + side) * FACTOR]
    return small[y : y + side, x : x + side], large[there]


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train the upscaler; its card states what `upscaling_report` finds on held-out scenes."""
    device = config.device()
    small, large = SceneData("train", SCENES), SceneData("train", SCENES, size=64 * FACTOR)
    held_out = SceneData("val", 250), SceneData("val", 250, size=64 * FACTOR)
    eye, autoencoder = load_perceptual(device), load_autoencoder("autoencoder-kl", device)
    cfg = LoopConfig(
        steps=steps or STEPS, batch_size=BATCH, lr=2e-3, warmup=150, weight_decay=0.0, ema=0.998, seed=seed
    )
    torch.manual_seed(seed)
    model = Upscaler(UpscalerConfig()).to(device, memory_format=torch.channels_last)
    x_val = to_tensor(held_out[0].images(range(16))).to(device)

    def loss(net, step):
        g = config.generator(seed, step)
        picks = torch.randint(SCENES, (cfg.batch_size,), generator=g).tolist()
        x = to_tensor(small.images(picks))
        painted = round(PAINTED * len(x))
        with torch.no_grad():
            x[:painted] = repaint(autoencoder, x[:painted].to(device)).cpu()
        pairs = [cut(a, b, g) for a, b in zip(x.permute(0, 2, 3, 1).numpy(), large.images(picks), strict=True)]
        x = torch.from_numpy(np.stack([a for a, _ in pairs])).permute(0, 3, 1, 2).to(device)
        y = to_tensor(np.stack([b for _, b in pairs])).to(device)
        made = net(x).float()
        distance = perceptual_distance(eye, y, made).mean()
        return reconstruction_loss(y, made) + PERCEPTUAL * distance, {"psnr": psnr(y, made.detach()).mean()}

    def check(net, step):
        made = net(x_val)
        grid(torch.cat([bicubic(x_val[:4]), made[:4]]), cols=4).save(folder / f"samples-{step:06d}.png")
        return {"val_psnr": psnr(to_tensor(held_out[1].images(range(16))).to(device), made).mean()}

    def finish(net):
        return upscaling_report(net, *held_out)

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check, finish=finish)


@torch.no_grad()
def repaint(autoencoder, x: torch.Tensor) -> torch.Tensor:
    """Return what the autoencoder makes of pictures (B, 3, H, W): as in a generated one, small things are a bit off."""
    with autocast(x.device, True):
        return autoencoder.decode(autoencoder.encode(x)).float().clamp(-1, 1)


def lanczos(images: np.ndarray) -> np.ndarray:
    """Return pictures (B, H, W, 3) uint8 at `FACTOR` times their size by Lanczos resampling, as Pillow does it."""
    _, h, w, _ = images.shape
    sizes = (w * FACTOR, h * FACTOR)
    return np.stack([np.asarray(Image.fromarray(x).resize(sizes, Image.Resampling.LANCZOS)) for x in images])


@torch.no_grad()
def enlarge(net: Upscaler, images: np.ndarray, batch: int = 4) -> np.ndarray:
    """Return pictures (N, H, W, 3) uint8 at four times their size, by the upscaler."""
    device, made = next(net.parameters()).device, []
    for start in range(0, len(images), batch):
        x = to_tensor(images[start : start + batch]).to(device, memory_format=torch.channels_last)
        with autocast(device, True):
            made.append(to_uint8(net(x)))
    return np.concatenate(made)


@torch.no_grad()
def feature_distance(probe: Probe, x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean distance of pictures (N, 256, 256, 3) uint8 in features of a probe, tile of 64 px by tile."""
    device = next(probe.parameters()).device

    def read(images: np.ndarray) -> torch.Tensor:
        tiles = F.unfold(to_tensor(images).to(device), 64, stride=64)  # (N, 3 · 64 · 64, 16)
        return probe.features(tiles.transpose(1, 2).reshape(-1, 3, 64, 64))

    parts = [(x[i : i + 25], y[i : i + 25]) for i in range(0, len(x), 25)]
    return float(torch.cat([(read(a) - read(b)).norm(dim=1) for a, b in parts]).mean())


def upscaling_report(net: Upscaler, small: SceneData, large: SceneData) -> dict[str, float]:
    """Return PSNR (dB) and probe-feature distance to the exact large scenes: of the upscaler, Lanczos and bicubic."""
    device = next(net.parameters()).device
    x, y = small.images(range(len(small))), large.images(range(len(large)))
    probe, found = load_probe(device=device), {}
    smooth = to_uint8(torch.cat([bicubic(part) for part in to_tensor(x).split(25)]))
    for name, made in (("", enlarge(net, x)), ("lanczos_", lanczos(x)), ("bicubic_", smooth)):
        found[f"{name}psnr"] = float(psnr(to_tensor(y), to_tensor(made)).mean())
        found[f"{name}probe_distance"] = feature_distance(probe, y, made)
    return found
