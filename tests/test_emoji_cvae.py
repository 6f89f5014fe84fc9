"""Chapter 07: a concept in a fourth style."""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.data import emoji
from mjcourse.models.conditional import CVAE
from mjcourse.training.emoji_cvae import (
    CONFIG,
    all_pictures,
    concept_codes,
    encode_all,
    fourth_style,
    load_emoji_cvae,
    moved,
    seen,
    tell,
)

ASKED = {"openmoji": 0.24, "twemoji": 0.41, "noto": 0.46, "fluent": 0.38}  # by the average of three: the design


def test_pictures_are_moved_together_and_white_comes_in():
    x = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.5
    shifts = set()
    for seed in range(40):
        y = moved(x, torch.Generator().manual_seed(seed))
        assert y.shape == x.shape
        found = [
            (m, a, d)
            for m in (False, True)
            for a in range(-3, 4)
            for d in range(-3, 4)
            if torch.equal(y[:, :, 8:56, 8:56], (x.flip(3) if m else x)[:, :, 8 - d : 56 - d, 8 - a : 56 - a])
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert len(shifts) > 20
    assert (y == 1).any() or found[0][1:] == (0, 0)


def test_which_pictures_train_and_which_are_asked_for():
    known, asked = seen(), seen("test")
    assert known.shape == (4, 1140) and known.sum() == 3789 and asked.sum() == 270
    assert not (known & asked).any() and (known.sum(0)[asked.any(0)] == 3).all()
    unseen = [c.role == "unseen_concept" for c in emoji.load_concepts()]
    assert not known[:, unseen].any()


def test_a_concepts_code_is_the_mean_over_its_known_styles():
    torch.manual_seed(0)
    net = CVAE(CONFIG).eval()
    pictures = all_pictures()[:, :3]
    known = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]], bool)
    with torch.no_grad():
        codes = concept_codes(encode_all(net, pictures), known)
        x = torch.from_numpy(pictures).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        own = [net.encode(x[s], tell(torch.full((3,), s)))[0] for s in range(4)]
    torch.testing.assert_close(codes[0], (own[0][0] + own[1][0] + own[3][0]) / 3, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(codes[1], own[0][1], atol=1e-4, rtol=1e-4)
    assert codes[2].isnan().all()


def test_the_shipped_model_beats_the_average_of_three_in_every_style():
    for style, row in fourth_style(load_emoji_cvae(), "test").items():
        assert row["rmse"] < row["rmse_average"], style
        assert row["identified_code"] > ASKED[style], style
