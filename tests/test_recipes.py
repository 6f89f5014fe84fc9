"""The recipes of chapters 02 to 09 end to end, a few steps each on few scenes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from mjcourse import config
from mjcourse.data.store import COUNTS
from mjcourse.studio.engine import default_engine
from mjcourse.training import autoencoder, upscaler
from mjcourse.training.autoencoder import load_autoencoder, load_perceptual
from mjcourse.training.clip import ClipReader
from mjcourse.training.conditional import load_conditional
from mjcourse.training.emoji_cvae import load_emoji_cvae
from mjcourse.training.gan import load_gan
from mjcourse.training.mood import MoodReader
from mjcourse.training.probe import load_eye
from mjcourse.training.stages import STAGES, train
from mjcourse.training.upscaler import load_upscaler
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


CARDS = {  # what a card must state
    "mood": {"test_unseen_en", "test_unseen_zh", "test_known_en"},
    "clip": {"test_to_text_en", "test_to_image_zh", "test_emoji_zh", "test_swap_object", "scale"},
    "cvae": {"accuracy", "floor", "kl", "psnr"},
    "cgan": {"accuracy", "floor", "wrong"},
    "perceptual": {"test_mean", "test_companion"},
    "reward": {"test_mean", "test_companion"},
    "upscaler": {"psnr", "lanczos_psnr", "bicubic_psnr", "probe_distance", "lanczos_probe_distance"},
    "autoencoder-kl": {"val_psnr", "probe_share", "kl"},
    "autoencoder-vq": {"val_psnr", "probe_share", "val_perplexity", "perceptual", "d_loss", "weight"},
    "prior": {"val_loss", "val_loss_shuffled"},
    "flow": {"val_loss"},
    "cvae-emoji": {"test_noto_rmse", "test_openmoji_identified_code", "test_fluent_rmse_average"},
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", CARDS)
def test_a_stage_that_reads_leaves_weights_that_load_and_a_card_with_its_numbers(stage, runs, monkeypatch):
    for split, count in (("train", 1000), ("val", 1000), ("test", 2000)):
        monkeypatch.setitem(COUNTS, split, count)
    monkeypatch.setattr(autoencoder, "PLANS", {  # the game begins at once
        name: replace(plan, terms=replace(plan.terms, start=0)) for name, plan in autoencoder.PLANS.items()
    })  # fmt: skip
    monkeypatch.setattr(upscaler, "SCENES", 100)
    train(stage, steps=2)
    card = json.loads((runs / stage / f"{stage}.json").read_text())
    assert CARDS[stage] <= set(card["metrics"])
    assert set(card["upstream"]) == set(STAGES[stage].needs)
    default_engine.cache_clear()  # of what the test before trained
    load = {
        "mood": MoodReader,
        "clip": ClipReader,
        "cvae": lambda: load_conditional("cvae"),
        "cgan": lambda: load_conditional("cgan"),
        "cvae-emoji": load_emoji_cvae,
        "perceptual": lambda: load_perceptual(config.device()),
        "reward": lambda: load_eye("reward", config.device()),
        "upscaler": lambda: load_upscaler(config.device()),
        "autoencoder-kl": lambda: load_autoencoder("autoencoder-kl", config.device()),
        "autoencoder-vq": lambda: load_autoencoder("autoencoder-vq", config.device()),
        "prior": lambda: default_engine("prior")(["太阳沙滩大海"], [1]),
        "flow": lambda: default_engine("flow")(["太阳沙滩大海"], [1], steps=2, aspect="2:3"),
    }
    assert load[stage]() is not None
