"""The curves of chapter 04_clinic."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from mjcourse import config
from mjcourse.data.folder import PictureFolder
from mjcourse.learn.chapters.clinic_epoch import epoch

CLINIC = {"A": "test-steps", "B": "sigmoid", "C": "healthy", "D": "average"}  # run → what is wrong with it


def record_all(epochs: int = 120) -> dict[tuple[str, str], list[float]]:
    """Train a judge of real emoji and pictures from a Gaussian of their pixels, with the clinic's epoch and its faults.

    ``train``, ``test``: the losses that the epoch returns; ``own``, ``other``: shares of the training and of the test
    pictures that are judged right.
    """
    real = torch.stack([F.avg_pool2d(x, 4) for x, _ in PictureFolder(config.DATA / "train", 64)])  # (N, 3, 16, 16)
    g, flat = config.generator(4), real.flatten(1)
    held = torch.arange(len(real)) % 4 == 0
    _, strength, axes = torch.linalg.svd(flat[~held] - flat[~held].mean(0), full_matrices=False)
    weights = torch.randn(len(real), len(strength), generator=g) * strength / int((~held).sum()) ** 0.5
    made = (flat[~held].mean(0) + weights @ axes).clamp(-1, 1).view_as(real)
    x, y = torch.cat([real, made]), torch.cat([torch.ones(len(real)), torch.zeros(len(made))])
    order = torch.randperm(len(x), generator=g)
    x, y, held = x[order], y[order], held.repeat(2)[order]
    train, test = (x[~held], y[~held]), (x[held], y[held])
    found = {}
    for run, kind in CLINIC.items():
        torch.manual_seed(4)
        net = nn.Sequential(nn.Flatten(), nn.Linear(768, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0))
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        rows = []
        for _ in range(epochs):
            faults = (kind,) if kind in ("test-steps", "sigmoid") else ()
            losses = epoch(net, optimizer, train, test, 32, faults)
            if kind == "average":  # a sum over the batches, divided by the epochs of the run: section 3.4
                parts = zip(test[0].split(32), test[1].split(32), strict=True)
                with torch.no_grad():
                    tested = sum(F.binary_cross_entropy_with_logits(net(a), b).item() for a, b in parts) / epochs
                losses = losses[0], tested
            with torch.no_grad():
                right = [float(((net(a) > 0) == (b > 0.5)).float().mean()) for a, b in (train, test)]
            rows.append((*losses, *right))
        for key, values in zip(("train", "test", "own", "other"), zip(*rows, strict=True), strict=True):
            found[run, key] = [float(f"{v:.2g}") for v in (values[0], *values[9::10])]
    return found
