"""The sliders of chapter 02, and the plain function that they call."""

from __future__ import annotations

import io

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from mjcourse.config import UserError
from mjcourse.learn.panel import REACH, latent_panel, latent_picture
from mjcourse.models.vae import VAE, VAEConfig
from mjcourse.viz import to_pictures, to_png


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VAE(VAEConfig.tiny()).eval().requires_grad_(False)


@pytest.fixture
def directions():
    generator = torch.Generator().manual_seed(1)
    return {name: 3 * torch.randn(8, generator=generator) for name in ("night", "snow")}


def parts(panel):
    """Return the picture, the sliders by name, the button and the message of a panel."""
    picture, *sliders, button, message = panel.children
    assert isinstance(picture, widgets.Image) and isinstance(button, widgets.Button)
    return picture, {s.description: s for s in sliders}, button, message


def test_the_plain_function_decodes_the_moved_code(model, directions):
    z = torch.randn(8)
    drawn = latent_picture(model, z, directions, {"night": 1.5, "snow": -0.5}, zoom=1)
    wanted = to_pictures(model.decode((z + 1.5 * directions["night"] - 0.5 * directions["snow"])[None]))[0]
    assert np.array_equal(drawn, wanted) and drawn.size == (16, 16)
    assert np.array_equal(latent_picture(model, z, directions, {}, zoom=1), to_pictures(model.decode(z[None]))[0])


def test_a_code_with_a_batch_of_one_is_the_same_and_zoom_repeats_pixels(model, directions):
    z = torch.randn(8)
    small = latent_picture(model, z[None], directions, {"snow": 1}, zoom=1)
    large = latent_picture(model, z, directions, {"snow": 1}, zoom=3)
    assert large.size == (48, 48) and np.array_equal(np.asarray(large)[1::3, 1::3], small)


def test_each_slider_changes_the_picture_to_that_of_the_plain_function(model, directions):
    z = torch.randn(8)
    picture, sliders, _, message = parts(latent_panel(model, z, directions))
    assert list(sliders) == list(directions)
    assert picture.value == to_png(latent_picture(model, z, directions, {}))
    amounts = {}
    for name, value in (("night", 1.2), ("snow", -2.0)):
        before = picture.value
        sliders[name].value = value
        amounts[name] = value
        assert picture.value != before
        assert picture.value == to_png(latent_picture(model, z, directions, amounts))
    assert Image.open(io.BytesIO(picture.value)).format == "PNG" and message.value == ""


def test_the_button_brings_the_first_picture_back(model, directions):
    picture, sliders, button, _ = parts(latent_panel(model, torch.randn(8), directions))
    first = picture.value
    sliders["night"].value = REACH
    assert picture.value != first
    button.click()
    assert picture.value == first and {s.value for s in sliders.values()} == {0.0}


def test_a_fault_while_drawing_is_said_in_the_panel_and_the_last_picture_stays(model, directions):
    directions = dict(directions)
    picture, sliders, _, message = parts(latent_panel(model, torch.randn(8), directions))
    before = picture.value
    directions["night"] = torch.zeros(3)
    sliders["snow"].value = 1.0
    assert "must be (8,)" in message.value and picture.value == before


@pytest.mark.parametrize(
    ("z", "change", "amounts", "says"),
    [
        (torch.zeros(2, 8), {}, {}, "the code must be"),
        (torch.zeros(7), {}, {}, "must be (7,)"),
        (torch.zeros(8), {"night": torch.zeros(1, 8)}, {}, "got (1, 8)"),
        (torch.zeros(8), {}, {"rain": 1}, "there are night, snow"),
        (torch.zeros(8), {}, {"snow": float("nan")}, "finite"),
    ],
)
def test_what_does_not_fit_is_refused(model, directions, z, change, amounts, says):
    with pytest.raises(UserError) as caught:
        latent_picture(model, z, directions | change, amounts)
    assert says in str(caught.value)


def test_a_panel_without_directions_is_refused(model):
    with pytest.raises(UserError, match="at least one direction"):
        latent_panel(model, torch.zeros(8), {})
