"""Captions read ahead of training: what the recipes keep instead of asking the text encoder at each step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mjcourse.data import store
from mjcourse.data.prompts import language_of
from mjcourse.data.store import SceneData
from mjcourse.training import tellings as ahead
from mjcourse.training.text import TextReader


@pytest.fixture(scope="module")
def reader():
    return TextReader(torch.device("cpu"))


def test_a_short_text_is_read_alike_beside_a_long_one(reader):
    long = "a joyful morning, three white windmills to the left of a red tent in a flower field, hills, papercut"
    alone, beside = reader.encode(["太阳沙滩大海"])[0], reader.encode([long, "太阳沙滩大海"])[1]
    torch.testing.assert_close(alone, beside, atol=1e-4, rtol=1e-4)
    assert reader.encode([""]).isfinite().all()


def test_tellings_are_the_readers_own_in_both_languages(reader, cache, monkeypatch):
    monkeypatch.setitem(store.SHARD, "val", 8)
    data, texts = SceneData("val", 8), []
    real = reader.encode
    monkeypatch.setattr(reader, "encode", lambda asked: texts.extend(asked) or real(asked))
    told = ahead.tellings(data, reader, seed=5)
    assert told.shape == (8, ahead.TOLD, reader.net.cfg.registers, reader.net.cfg.width) and told.dtype == np.float16
    scenes = [i for i in range(8) for _ in range(ahead.TOLD)]
    wanted = [c.text for c in ahead.draw_captions(data, scenes, (5, 0, 2), ahead.FULL)]
    assert sorted(texts) == sorted(wanted)
    assert [language_of(text) for text in wanted[:2]] == ["en", "zh"]
    found = torch.from_numpy(told.astype(np.float32)).flatten(0, 1)
    assert float((found - real(wanted)).abs().mean()) < 0.02  # bfloat16, and another row's would be about 1 away
    assert float((found - real(wanted[::-1])).abs().mean()) > 0.1
    assert np.array_equal(told, ahead.tellings(data, reader, seed=5)) and len(texts) == len(wanted)  # from the cache
    assert not np.array_equal(told, ahead.tellings(data, reader, seed=6))
