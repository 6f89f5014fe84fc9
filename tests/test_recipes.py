"""The recipes of the VAE and the GAN end to end, a few steps each on few scenes."""

from __future__ import annotations

import json

import pytest
import torch

from mjcourse import config
from mjcourse.data.store import COUNTS
from mjcourse.training.gan import load_gan
from mjcourse.training.stages import STAGES, train
from mjcourse.training.vae import load_vae


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["vae", "vae-plain", "gan"])
def test_a_stage_leaves_weights_that_load_and_a_card_with_its_numbers(stage, runs, monkeypatch):
    for split, count in (("train", 2000), ("val", 1000), ("test", 2000)):
        monkeypatch.setitem(COUNTS, split, count)
    train(stage, steps=3)
    card = json.loads((runs / stage / f"{stage}.json").read_text())
    numbers = {"frechet", "frechet_real", "coverage", "coverage_real", "kernel", "nearest", "nearest_real", "n"}
    assert numbers <= set(card["metrics"]) and card["metrics"]["n"] == 2000
    assert card["metrics"]["frechet"] > card["metrics"]["frechet_real"] > 0
    net = load_gan() if stage == "gan" else load_vae(stage)
    noise = torch.randn(2, net.cfg.latent, generator=config.generator(0)).to(config.device())
    with torch.no_grad():
        made = net(noise) if stage == "gan" else net.decode(noise)
    assert made.shape == (2, 3, 64, 64)
    if stage != "gan":
        assert {"test_psnr", "test_ssim"} <= set(card["metrics"]) and 0 < float(net.sigma) < 1.5
    assert list((runs / stage).glob("samples-*.png")) and stage in STAGES
