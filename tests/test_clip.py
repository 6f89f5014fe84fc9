"""Chapter 06: the contrastive loss, recall, the batches, the trained towers."""

from __future__ import annotations

import difflib
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mjcourse.config import generator
from mjcourse.data import emoji
from mjcourse.data.scenes import ATTRIBUTES
from mjcourse.data.store import SceneData
from mjcourse.models.clip import CLIP, CLIPConfig, clip_loss, recall_at_1
from mjcourse.models.text import Tokenizer
from mjcourse.training.clip import (
    ClipReader,
    emoji_batch,
    emoji_recall,
    grown,
    reading_towers,
    scene_recall,
    swap_accuracy,
    swapped,
    told_and_swapped,
)
from mjcourse.training.text import TextReader


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


def test_a_wrong_text_is_one_more_column_for_the_pictures_alone():
    image, text, wrong = unit(6, 5, 1), unit(6, 5, 2), unit(6, 5, 3)
    by_hand = 0.0
    for i in range(6):
        scores = torch.cat([4 * image[i] @ text.T, 4 * (image[i] @ wrong[i])[None]])
        by_hand += scores.logsumexp(0) - scores[i] + (4 * text[i] @ image.T).logsumexp(0) - 4 * text[i] @ image[i]
    torch.testing.assert_close(clip_loss(image, text, torch.tensor(4.0), wrong), by_hand / 12)
    far = clip_loss(image, text, torch.tensor(4.0), -image)
    assert (
        float(clip_loss(image, text, torch.tensor(4.0)))
        < float(far)
        < float(clip_loss(image, text, torch.tensor(4.0), image))
    )


def test_emoji_of_a_batch_are_different_things_that_train():
    pictures, names, wrong = emoji_batch(64, generator(3))
    known = {
        emoji.caption(c, s, lang) for c, style in emoji.split("train") for s in (None, style) for lang in ("en", "zh")
    }
    assert pictures.shape == (64, 64, 64, 3) and len(set(names)) == 64 and set(names) <= known
    assert all(a != b for a, b in zip(names, wrong, strict=True) if ", " in a or "，" in a)
    assert sum(a == b for a, b in zip(names, wrong, strict=True)) <= 3  # the only one of its group in the batch
    again, same, _ = emoji_batch(64, generator(3))
    assert names == same and np.array_equal(pictures, again)


def test_a_swap_changes_one_attribute_and_one_that_can_be():
    data, rng, found = SceneData("val", 250), np.random.default_rng(0), 0
    for i in range(60):
        scene = data.scene(i)
        for name in ATTRIBUTES:
            other = swapped(scene, name, rng)
            if other is None:
                continue
            differ = [n for n in ATTRIBUTES if getattr(other, n) != getattr(scene, n)]
            assert differ == [name] and getattr(other, name) != "none"
            found += 1
    assert found > 600


def test_captions_and_their_near_misses_differ_in_few_words():
    data = SceneData("val", 250)
    right, wrong = told_and_swapped(data, list(range(80)), (1, 2), full=1.0)
    assert (right, wrong) == told_and_swapped(data, list(range(80)), (1, 2), full=1.0)
    assert all(a != b for a, b in zip(right, wrong, strict=True))
    likeness = [difflib.SequenceMatcher(None, a, b).ratio() for a, b in zip(right, wrong, strict=True)]
    assert np.median(likeness) > 0.9


def test_a_grown_tokenizer_knows_more_and_keeps_what_it_knew():
    small = Tokenizer.train(["a red sun", "太阳沙滩大海"], 60, 16)
    large = grown(small, ["一条龙", "Ünder"])
    assert large.size > small.size
    assert torch.equal(small(["a red sun", "太阳沙滩"]), large(["a red sun", "太阳沙滩"]))
    assert "[unk]" in small.tokens("一条龙") and "[unk]" not in large.tokens("一条龙 under")


def test_new_towers_read_as_the_encoder_that_they_start_from():
    reader = TextReader(torch.device("cpu"))
    model, tokenizer = reading_towers(reader, CLIPConfig.tiny())
    texts = ["a red sun over the sea", "太阳沙滩大海"]
    with torch.no_grad():
        torch.testing.assert_close(model.eval().text(tokenizer(texts)), reader.encode(texts), atol=1e-4, rtol=1e-4)
    names = [emoji.caption(c, None, lang) for c, _ in emoji.split("train") for lang in ("en", "zh")]
    assert not any("[unk]" in tokenizer.tokens(name) for name in names[::7])


def test_swap_accuracy_of_towers_that_know_nothing_is_a_coin():
    model, tokenizer = reading_towers(TextReader(torch.device("cpu")), CLIPConfig.tiny())
    found = swap_accuracy(model.eval(), tokenizer, SceneData("val", 250), 40)
    assert set(found) == set(ATTRIBUTES) and 0.35 < np.mean(list(found.values())) < 0.65


def test_the_shipped_towers_find_scenes_and_emoji_in_both_languages():
    reader = ClipReader()
    found = scene_recall(reader.net, reader.tokenizer, SceneData("val", 250), 2, seed=1)
    assert min(found.values()) >= 0.85  # 200 scenes here; the card states 2,000
    assert max(abs(found[f"{way}_en"] - found[f"{way}_zh"]) for way in ("to_text", "to_image")) <= 0.06
    known = swap_accuracy(reader.net, reader.tokenizer, SceneData("val", 250), 150)
    assert min(known[name] for name in ("style", "time", "mood", "ground", "body_place")) > 0.9
    assert np.mean([known[name] for name in ("object", "color", "place", "count")]) > 0.7  # a coin: 0.5
    things = emoji_recall(reader.net, reader.tokenizer, "test")
    assert min(float(v) for v in things.values()) > 0.1  # chance 0.001
