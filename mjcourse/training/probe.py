"""Recipe of stages ``probe`` and ``probe-second``: judges of pictures, trained on real scenes only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import COUNTS, SceneData, to_tensor
from mjcourse.metrics.probe import Probe, ProbeConfig, balanced_accuracy, read_pictures
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage

STEPS, BATCH = 4500, 64


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train a probe on training scenes, with and without held-out pairs; the card states accuracy on test scenes.

    The judge must read held-out compositions as well as seen ones, so it also sees composition
    scenes 2,000 and above, which no evaluation uses. Half of all pictures are slightly blurred or noisy, as a
    generator's are.
    """
    device = config.device()
    seed = seed + (1000 if name == "probe-second" else 0)
    train = SceneData("train", COUNTS["train"])
    extra = SceneData("composition", COUNTS["composition"])
    test = SceneData("test", 2000)
    first_extra = 2000
    cfg = LoopConfig(steps=steps or STEPS, batch_size=BATCH, lr=2e-3, warmup=100, ema=0.998, seed=seed,
                     weight_decay=0.02, check_every=1000)  # fmt: skip
    torch.manual_seed(seed)
    model = Probe(ProbeConfig.named(name)).to(device, memory_format=torch.channels_last)

    def loss(net, step):
        g = config.generator(seed, step)
        own = torch.randint(len(train), (cfg.batch_size - cfg.batch_size // 8,), generator=g).tolist()
        more = torch.randint(first_extra, len(extra), (cfg.batch_size // 8,), generator=g).tolist()
        x = to_tensor(np.concatenate([train.images(own), extra.images(more)]))
        y = torch.from_numpy(np.concatenate([train.attributes(own), extra.attributes(more)])).to(device)
        x = worn(x, g).to(device, memory_format=torch.channels_last)
        logits = net(x)
        return sum(F.cross_entropy(z.float(), y[:, k]) for k, z in enumerate(logits)) / len(logits), {}

    def check(net, step):
        read = read_pictures(net, test.images(range(len(test))))
        truth = test.attributes(range(len(test)))
        each = {f"test_{name}": balanced_accuracy(truth[:, k], read[:, k]) for k, name in enumerate(ATTRIBUTES)}
        return {"test_mean": float(np.mean(list(each.values()))), **each}

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check)


def worn(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Blur or add noise to half of the pictures (B, 3, H, W), so that small flaws do not fool the probe."""
    b = len(x)
    amount = torch.rand(b, 1, 1, 1, generator=g) * 0.6 * (torch.rand(b, 1, 1, 1, generator=g) < 0.5)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)
    noise = torch.randn(x.shape, generator=g) * 0.05
    return (x + (blurred - x) * amount + noise * (amount > 0)).clamp(-1, 1)
