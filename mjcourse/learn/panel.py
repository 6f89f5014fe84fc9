"""Sliders that move through a latent space, and the plain function behind them. Chapter 02 builds the directions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import nn

from mjcourse.config import UserError
from mjcourse.viz import to_pictures, to_png

REACH = 2.5  # how far a slider goes to either side, in lengths of its direction


@torch.no_grad()
def latent_picture(
    model: nn.Module,
    z: torch.Tensor,
    directions: Mapping[str, torch.Tensor],
    amounts: Mapping[str, float],
    zoom: int = 4,
) -> Image.Image:
    """Decode z + Σ amount · direction: what `latent_panel` shows, without a widget.

    Args:
        model: has ``decode``, codes (1, latent) → pictures (1, 3, H, W) in -1 to 1.
        z: the code to start from, (latent,) or (1, latent).
        directions: name → (latent,).
        amounts: name → how many lengths of that direction to go; what is not named stays at 0.
        zoom: side of a picture's pixel on the screen.

    Returns:
        An RGB picture of zoom · W × zoom · H pixels.

    Raises:
        UserError: a shape does not fit, an amount is not finite or names no direction.
    """
    z = _checked(z, directions)
    for name, amount in amounts.items():
        if name not in directions:
            raise UserError(f"there is no direction {name!r}; there are {', '.join(directions)}.")
        if not torch.isfinite(torch.tensor(float(amount))):
            raise UserError(f"the amount of {name!r} is {amount}; give a finite number.")
        z = z + float(amount) * directions[name].to(z)
    picture = to_pictures(model.decode(z[None]))[0]
    return picture.resize((zoom * picture.width, zoom * picture.height), Image.Resampling.NEAREST)


def latent_panel(model: nn.Module, z: torch.Tensor, directions: Mapping[str, torch.Tensor], zoom: int = 4):
    """Return a panel with one slider a direction, a button that sets all to 0, and the picture they make.

    Each change draws anew with `latent_picture`; what that refuses is said in the panel.

    Args:
        model, z, directions, zoom: as for `latent_picture`.

    Returns:
        An ``ipywidgets.VBox``: the picture (``Image``), the sliders, the button, a line for messages.

    Raises:
        UserError: as `latent_picture`, or there is no direction.
    """
    import ipywidgets as widgets

    if not directions:
        raise UserError("a panel needs at least one direction: give {'name': tensor of a code's length}.")
    _checked(z, directions)
    wide = {"style": {"description_width": "150px"}, "layout": widgets.Layout(width="420px")}
    sliders = {
        name: widgets.FloatSlider(0.0, min=-REACH, max=REACH, step=0.1, description=name, readout_format=".1f", **wide)
        for name in directions
    }
    picture, message = widgets.Image(format="png"), widgets.HTML()
    reset = widgets.Button(description="all to 0", icon="undo")

    def draw(_change=None) -> None:
        try:
            drawn = latent_picture(model, z, directions, {name: s.value for name, s in sliders.items()}, zoom)
        except UserError as error:
            message.value = f"<b>{error}</b>"
            return
        picture.value, message.value = to_png(drawn), ""

    def to_zero(_button) -> None:
        for slider in sliders.values():
            slider.value = 0.0

    for slider in sliders.values():
        slider.observe(draw, names="value")
    reset.on_click(to_zero)
    draw()
    return widgets.VBox([picture, *sliders.values(), reset, message])


def _checked(z: torch.Tensor, directions: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the code as (latent,), or say what does not fit."""
    if z.ndim not in (1, 2) or (z.ndim == 2 and len(z) != 1):
        raise UserError(f"the code must be (latent,) or (1, latent); got {tuple(z.shape)}.")
    z = z.reshape(-1)
    for name, direction in directions.items():
        if direction.shape != z.shape:
            raise UserError(f"direction {name!r} must be {tuple(z.shape)}, as the code; got {tuple(direction.shape)}.")
    return z
