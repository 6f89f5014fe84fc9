"""Chapter 06: the contrastive loss, recall, the batches, the trained towers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mjcourse.config import generator
from mjcourse.data import emoji
from mjcourse.data.store import SceneData
from mjcourse.models.clip import CLIP, CLIPConfig, clip_loss, recall_at_1
from mjcourse.training.clip import ClipReader, emoji_batch, emoji_recall, scene_recall


def unit(n, d, seed):
    return F.normalize(torch.randn(n, d, generator=generator(seed)), dim=1)


def test_loss_equals_transformers_clip_loss():
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    image, text = unit(7, 5, 1), unit(7, 5, 2)
    wanted = image_text_contrastive_loss(9.0 * text @ image.T)
    torch.testing.assert_close(clip_loss(image, text, torch.tensor(9.0)), wanted)


def test_loss_of_towers_that_know_nothing_and_all():
    same, eye = torch.ones(8, 4) / 2, torch.eye(8)
    assert float(clip_loss(same, same, torch.tensor(10.0))) == pytest.approx(math.log(8), abs=1e-5)
    assert float(clip_loss(eye, eye, torch.tensor(100.0))) < 1e-6
    assert float(clip_loss(eye, eye.roll(1, 0), torch.tensor(100.0))) > 50


def test_recall_of_known_cases():
    eye = torch.eye(6)
    assert recall_at_1(eye, eye) == (1.0, 1.0)
    assert recall_at_1(eye, eye.roll(1, 0)) == (0.0, 0.0)
    text = eye.clone()
    text[0] = F.normalize(eye[0] + 2 * eye[1], dim=0)  # text 0 wants picture 1, and picture 0 still wants text 0
    assert recall_at_1(eye, text) == pytest.approx((1.0, 5 / 6))


def test_towers_give_unit_vectors_and_a_bounded_temperature():
    net = CLIP(CLIPConfig.tiny(), torch.zeros(1, dtype=torch.uint8)).eval()
    image, text, scale = net(torch.randn(3, 3, 64, 64), torch.randint(0, 300, (3, 24)))
    torch.testing.assert_close(image.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))
    assert float(scale.detach()) == pytest.approx(1 / 0.07, rel=1e-4)
    with torch.no_grad():
        net.log_scale.fill_(9.0)
    assert float(net.scale.detach()) == pytest.approx(100, rel=1e-4)


def test_emoji_of_a_batch_are_different_things_that_train():
    pictures, names = emoji_batch(64, generator(3))
    known = {
        emoji.caption(c, s, lang) for c, style in emoji.split("train") for s in (None, style) for lang in ("en", "zh")
    }
    assert pictures.shape == (64, 64, 64, 3) and len(set(names)) == 64 and set(names) <= known
    again, same = emoji_batch(64, generator(3))
    assert names == same and np.array_equal(pictures, again)


def test_the_shipped_towers_find_scenes_and_emoji_in_both_languages():
    reader = ClipReader()
    found = scene_recall(reader.net, reader.tokenizer, SceneData("val", 250), 2, seed=1)
    assert min(found.values()) >= 0.85  # 200 scenes here; the card states 2,000
    assert max(abs(found[f"{way}_en"] - found[f"{way}_zh"]) for way in ("to_text", "to_image")) <= 0.06
    things = emoji_recall(reader.net, reader.tokenizer, "test")
    assert min(float(v) for v in things.values()) > 0.1  # chance 0.001
