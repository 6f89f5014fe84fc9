"""Chapter 07: a concept in a fourth style."""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.data import emoji
from mjcourse.models.conditional import CVAE
from mjcourse.training.emoji_cvae import CONFIG, all_pictures, concept_codes, fourth_style, load_emoji_cvae, seen, tell


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
        codes = concept_codes(net, pictures, known)
        x = torch.from_numpy(pictures).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        own = [net.encode(x[s], tell(torch.full((3,), s)))[0] for s in range(4)]
    torch.testing.assert_close(codes[0], (own[0][0] + own[1][0] + own[3][0]) / 3, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(codes[1], own[0][1], atol=1e-4, rtol=1e-4)
    assert codes[2].isnan().all()


def test_the_shipped_model_beats_the_average_of_three_in_every_style():
    for style, row in fourth_style(load_emoji_cvae(), "test").items():
        assert row["rmse"] < row["rmse_average"], style
        assert 0 < row["identified"] <= 1
