"""Recipe of the readers of pictures: ``probe`` and ``probe-second``, the judges; ``perceptual``, the eye of chapter 08;
``reward``, the features of chapter 12.

Each learns by itself to read the attributes of real scenes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mjcourse import config
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import COUNTS, SceneData, to_tensor
from mjcourse.metrics.probe import Probe, ProbeConfig, balanced_accuracy, read_pictures
from mjcourse.models.perceptual import PerceptualConfig, PerceptualNet
from mjcourse.training.loop import LoopConfig
from mjcourse.training.recipe import train_stage
from mjcourse.weights import find_weights, load_weights

STEPS, BATCH = 4500, 64
CLASSES = tuple(len(values) for values in ATTRIBUTES.values())
FIRST_SEED = {"probe": 0, "probe-second": 1000, "perceptual": 2000, "reward": 3000}
EYES = ("perceptual", "reward")  # what generators learn from; the others judge them


def run(folder: Path, *, name: str, steps: int | None, seed: int, resume: bool, needs: tuple[str, ...]) -> None:
    """Train a reader of pictures on training scenes; the card states accuracy on test scenes.

    The judges must read held-out compositions as well as seen ones, so they also see composition scenes 2,000 and
    above, which no evaluation uses; the two that help to train generators see none.
    Half of all pictures are slightly blurred or noisy, as a generator's are.
    """
    device = config.device()
    seed = seed + FIRST_SEED[name]
    more_of = 0 if name in EYES else BATCH // 8
    train = SceneData("train", COUNTS["train"])
    extra = SceneData("composition", COUNTS["composition"])
    test = SceneData("test", 2000)
    first_extra = 2000
    cfg = LoopConfig(steps=steps or STEPS, batch_size=BATCH, lr=2e-3, warmup=100, ema=0.998, seed=seed,
                     weight_decay=0.02, check_every=1000)  # fmt: skip
    torch.manual_seed(seed)
    model = PerceptualNet(PerceptualConfig(classes=CLASSES)) if name in EYES else Probe(ProbeConfig.named(name))
    model = model.to(device, memory_format=torch.channels_last)

    def loss(net, step):
        g = config.generator(seed, step)
        parts = [(train, torch.randint(len(train), (cfg.batch_size - more_of,), generator=g).tolist())]
        if more_of:
            parts.append((extra, torch.randint(first_extra, len(extra), (more_of,), generator=g).tolist()))
        x = to_tensor(np.concatenate([data.images(picks) for data, picks in parts]))
        y = torch.from_numpy(np.concatenate([data.attributes(picks) for data, picks in parts])).to(device)
        x = worn(x, g).to(device, memory_format=torch.channels_last)
        logits = net(x)
        return sum(F.cross_entropy(z.float(), y[:, k]) for k, z in enumerate(logits)) / len(logits), {}

    def check(net, step):
        read = read_pictures(net, test.images(range(len(test))))
        truth = test.attributes(range(len(test)))
        each = {f"test_{name}": balanced_accuracy(truth[:, k], read[:, k]) for k, name in enumerate(ATTRIBUTES)}
        return {"test_mean": float(np.mean(list(each.values()))), **each}

    train_stage(name, folder, model, loss, cfg, resume=resume, needs=needs, check=check)


def load_eye(stage: str, device: torch.device) -> PerceptualNet:
    """Return the trained feature network of a stage, one of `EYES`."""
    cfg = PerceptualConfig(classes=CLASSES)
    net = load_weights(PerceptualNet(cfg), find_weights(stage), cfg)
    return net.to(device, memory_format=torch.channels_last)


def worn(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Blur or add noise to half of the pictures (B, 3, H, W), so that small flaws do not fool the probe."""
    b = len(x)
    amount = torch.rand(b, 1, 1, 1, generator=g) * 0.6 * (torch.rand(b, 1, 1, 1, generator=g) < 0.5)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)
    noise = torch.randn(x.shape, generator=g) * 0.05
    return (x + (blurred - x) * amount + noise * (amount > 0)).clamp(-1, 1)
