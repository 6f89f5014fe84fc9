"""The upscaler: it starts as bicubic interpolation and learns what that lacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mjcourse import config
from mjcourse.data.draw import render
from mjcourse.data.scenes import sample_scene
from mjcourse.data.store import to_tensor, to_uint8
from mjcourse.metrics.probe import load_probe
from mjcourse.metrics.reconstruction import psnr
from mjcourse.models.upscaler import FACTOR, Upscaler, UpscalerConfig, bicubic
from mjcourse.training.loop import LoopConfig, Trainer
from mjcourse.training.upscaler import cut, enlarge, feature_distance, lanczos


@pytest.fixture(scope="module")
def scenes():
    """Eight scenes at both sizes."""
    small, large = (np.stack([render(sample_scene("train", i), size) for i in range(8)]) for size in (64, 256))
    return small, large


@torch.no_grad()
@pytest.mark.parametrize("h, w", [(64, 64), (48, 72), (96, 48), (5, 7)])
def test_untrained_it_is_bicubic_at_any_size(h, w):
    x = torch.rand(2, 3, h, w) * 2 - 1
    net = Upscaler(UpscalerConfig.tiny())
    assert torch.equal(net(x), bicubic(x)) and net(x).shape == (2, 3, 4 * h, 4 * w)
    nn.init.normal_(net.net[-2].weight)
    assert not torch.allclose(net(x), bicubic(x))


def test_bicubic_equals_torchvision(scenes):
    from torchvision.transforms.v2.functional import InterpolationMode, resize

    x = to_tensor(scenes[0][:2])
    theirs = resize(x, [256, 256], InterpolationMode.BICUBIC, antialias=False)
    torch.testing.assert_close(bicubic(x), theirs, atol=1e-5, rtol=0)


def test_lanczos_is_pillows(scenes):
    made = lanczos(scenes[0][:2])
    assert made.shape == (2, 256, 256, 3)
    theirs = Image.fromarray(scenes[0][1]).resize((256, 256), Image.Resampling.LANCZOS)
    assert np.array_equal(made[1], np.asarray(theirs))
    wide = np.zeros((1, 48, 72, 3), np.uint8)
    assert lanczos(wide).shape == (1, 192, 288, 3)


def test_a_cut_shows_the_same_place_at_both_sizes():
    small = np.random.default_rng(0).integers(0, 256, (48, 72, 3)).astype(np.uint8)
    large = small.repeat(FACTOR, 0).repeat(FACTOR, 1)
    seen = set()
    for seed in range(20):
        a, b = cut(small, large, config.generator(seed), side=16)
        assert a.shape == (16, 16, 3) and np.array_equal(a.repeat(FACTOR, 0).repeat(FACTOR, 1), b)
        seen.add(a.tobytes())
    assert len(seen) > 15
    a, b = cut(small, large, config.generator(0), side=48)
    assert a.shape == (48, 48, 3) and b.shape == (192, 192, 3)


def test_a_few_steps_teach_it_the_edges_of_pixel_art():
    those = [sample_scene("train", i).replace(style="pixel") for i in range(8)]
    scenes = [np.stack([render(scene, size) for scene in those]) for size in (64, 256)]
    small, large = map(to_tensor, scenes)
    seen = [images[:6] for images in scenes]
    torch.manual_seed(0)
    net = Upscaler(UpscalerConfig(width=24, blocks=1, fine_width=12))

    def loss(net, step):
        pairs = [cut(a, b, config.generator(step, i), 24) for i, (a, b) in enumerate(zip(*seen, strict=True))]
        x, y = (to_tensor(np.stack([pair[k] for pair in pairs])) for k in (0, 1))
        return (net(x) - y).abs().mean(), {}

    cfg = LoopConfig(steps=80, lr=6e-3, warmup=5, ema=0.0, log_every=100, amp=False)
    Trainer(net, loss, cfg, report=lambda row: None).fit()
    with torch.no_grad():
        gain = psnr(large, net(small)) - psnr(large, bicubic(small))
    assert gain[:6].mean() > 2 and gain[6:].mean() > 1  # on scenes that it has not seen, too


def test_enlarge_gives_what_the_network_gives(scenes):
    net = Upscaler(UpscalerConfig.tiny())
    nn.init.normal_(net.net[-2].weight, std=0.05)
    made = enlarge(net, scenes[0][:5], batch=2)
    with torch.no_grad():
        wanted = to_uint8(net(to_tensor(scenes[0][:5])))
    assert made.shape == (5, 256, 256, 3) and np.abs(made.astype(int) - wanted).mean() < 2  # bfloat16, where it is fast


def test_feature_distance_ranks_a_blur_behind_the_picture_itself(scenes):
    probe, large = load_probe(device=config.device()), scenes[1][:4]
    assert feature_distance(probe, large, large) == 0
    near = lanczos(scenes[0][:4])
    far = to_uint8(torch.nn.functional.avg_pool2d(to_tensor(large), 9, 1, 4))
    assert 0 < feature_distance(probe, large, near) < feature_distance(probe, large, far)
