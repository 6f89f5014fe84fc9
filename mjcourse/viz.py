"""Pictures, captions and curves on the screen, their Chinese drawn with the font in ``mjcourse/fonts``."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mjcourse.config import UserError

FONT = Path(__file__).resolve().parent / "fonts" / "NotoSansSC-mjcourse.ttf"
FAMILIES = ["DejaVu Sans", "mjcourse Sans SC"]  # the second is asked where the first has no glyph
CYCLE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]  # Okabe and Ito
INK, GREY = "#202020", "#787878"

_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_OPEN, _CLOSE = "“‘（《〈「『【〔", "”’，。、；：？！…）》〉」』】〕"  # never last, never first in a line
_WORD = re.compile(f"[{_OPEN}]*(?:[{_CJK}]|[^\\s{_CJK}{_OPEN}{_CLOSE}]+)[{_CLOSE}]*|\\S")


def to_png(picture: np.ndarray | Image.Image, zoom: int = 1, smooth: bool = True) -> bytes:
    """Return a picture, (H, W, 3) uint8 or Pillow's, as a PNG file, enlarged `zoom` times, smoothly or to squares."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.ascontiguousarray(picture))
    if zoom > 1:
        how = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
        image = image.resize((zoom * image.width, zoom * image.height), how)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=2)  # on enlarged pictures a quarter of the time of 6, for 17 % more bytes
    return buffer.getvalue()


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the course's font for Pillow, ``size`` pixels high; it draws English and Chinese."""
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)


def wrap(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Break a text into lines, English between words and Chinese between characters.

    Args:
        text: what to break; its own line breaks are kept.
        width: of a line, in the unit of ``measure``; a word wider than that is broken inside.
        measure: gives the width of a piece of text, e.g. ``font(16).getlength``.
    """
    lines = []
    for paragraph in text.splitlines():
        line, end = "", 0
        for word in _WORD.finditer(paragraph):
            piece, end = " " * (word.start() > end) + word.group(), word.end()
            for part in [piece] if measure(piece) <= width else piece:
                if line and measure(line + part) > width:
                    lines, line = [*lines, line], ""
                line += part if line else part.lstrip()
        lines.append(line)
    return lines


def to_pictures(images) -> list[Image.Image]:
    """Turn pictures of any form that the course uses into a list of RGB pictures for Pillow.

    Args:
        images: a torch tensor (B, 3, H, W) or (3, H, W), floating in [-1, 1] or uint8; a uint8 array
            (B, H, W, 3) or (H, W, 3); a Pillow picture; or a list of these. All else is a `UserError`.
    """
    if isinstance(images, Image.Image):
        return [images.convert("RGB")]
    if isinstance(images, (list, tuple)) and images:
        return [picture for image in images for picture in to_pictures(image)]
    array = images.detach().cpu() if hasattr(images, "detach") else np.asarray(images)
    if hasattr(images, "detach"):  # torch, without importing it
        if array.is_floating_point():
            array = array.float().nan_to_num().clamp(-1, 1).add(1).mul(127.5).round().byte()
        array = np.moveaxis(array.numpy(), -3, -1) if array.ndim > 2 else array.numpy()
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3 or not array.size:
        raise UserError(
            f"Cannot show this {type(images).__name__} of shape {tuple(np.shape(images))}, {array.dtype}; give "
            "a tensor (B, 3, H, W) in [-1, 1], a uint8 array (B, H, W, 3) or Pillow pictures, at least one."
        )
    return [Image.fromarray(np.ascontiguousarray(p)) for p in array.reshape(-1, *array.shape[-3:])]


def grid(images, cols: int, pad: int = 2, zoom: int = 1) -> Image.Image:
    """Set pictures side by side on white, each pixel enlarged to a square.

    Args:
        images: as for `to_pictures`; the largest fixes the size of a cell.
        cols, pad, zoom: pictures a row; white around each and side of an enlarged pixel, in pixels.
    """
    pictures = to_pictures(images)
    cols = max(1, min(cols, len(pictures)))
    wide, high = (zoom * side + pad for side in np.max([p.size for p in pictures], axis=0).tolist())
    page = Image.new("RGB", (cols * wide + pad, -(-len(pictures) // cols) * high + pad), "white")
    for i, picture in enumerate(pictures):
        large = picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
        page.paste(large, (pad + i % cols * wide, pad + i // cols * high))
    return page


def captioned_grid(images, prompt: str, footer: str = "", scale: int = 4) -> Image.Image:
    """Set four pictures two by two, smoothly enlarged, with the prompt and a small footer below.

    Args:
        images: as for `to_pictures`.
        prompt, footer: English or Chinese, wrapped; the footer is small and grey (seed, steps, model).
        scale: enlargement of the pictures and, with them, of text and gutters.
    """
    large = [p.resize((p.width * scale, p.height * scale), Image.LANCZOS) for p in to_pictures(images)]
    top, margin = grid(large, 2, pad=2 * scale), 3 * scale
    lines, y = [], top.height  # (middle in pixels, text, colour, font)
    texts = ((prompt, INK, max(12, round(5.5 * scale))), (footer, GREY, max(9, 4 * scale - 1)))
    for text, ink, size in texts:
        for line in wrap(text.strip(), top.width - 2 * margin, font(size).getlength):
            lines.append((y + round(0.7 * size), line, ink, font(size)))
            y += round(1.4 * size)
        y += 2 * scale if text.strip() else 0
    page = Image.new("RGB", (top.width, y), "white")
    page.paste(top, (0, 0))
    for middle, line, ink, face in lines:
        ImageDraw.Draw(page).text((margin, middle), line, fill=ink, font=face, anchor="lm")
    return page


def use_style() -> None:
    """Give matplotlib the course's look: Chinese, large text, plain axes, colours that all can tell apart."""
    from matplotlib import cycler, font_manager, rcParams

    if FAMILIES[1] not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(str(FONT))
    rcParams.update(
        {"font.family": FAMILIES, "font.size": 12, "axes.titlesize": 13, "axes.unicode_minus": True}
        | {"figure.dpi": 110, "figure.figsize": (7, 4), "figure.facecolor": "white", "legend.frameon": False}
        | {"axes.spines.top": False, "axes.spines.right": False, "axes.prop_cycle": cycler(color=CYCLE)}
        | {"grid.color": "#e4e4e4", "axes.axisbelow": True, "lines.linewidth": 2, "savefig.dpi": "figure"}
    )


def _shown(figure, plt):
    plt.close(figure) if plt.get_backend().lower() == "agg" else plt.show()
    figure._ipython_display_ = lambda: None  # else a notebook draws it again as the cell's last value
    return figure


def show_images(images, titles: Sequence[str] | None = None, cols=8, zoom: int | None = None, title=""):
    """Show pictures in a grid, each pixel a crisp square, with a wrapped title above each; return the figure.

    Args:
        images: as for `to_pictures`.
        titles, title: one for each picture; heading of the whole figure.
        cols, zoom: pictures a row; side of a pixel, in pixels (None: to fit the screen).
    """
    import matplotlib.pyplot as plt

    pictures = to_pictures(images)
    titles = [""] * len(pictures) if titles is None else list(titles)
    if len(titles) != len(pictures):
        raise UserError(f"There are {len(pictures)} pictures and {len(titles)} titles; give one for each.")
    if plt.rcParams["font.family"] != FAMILIES:
        use_style()
    cols, gap = max(1, min(cols, len(pictures))), 10  # all lengths in pixels
    wide, high = np.max([p.size for p in pictures], axis=0).tolist()
    zoom = zoom or max(1, min(1100 // (cols * wide), 256 // max(wide, high)))  # to fit a screen
    wide, high = wide * zoom, high * zoom
    width, figure = cols * (wide + gap) + gap, plt.figure()

    def label(text: str, points: int, room: int):  # the wrapped text and its height
        drawn = figure.text(0, 0, "", size=points, color=INK, va="bottom", linespacing=1.2, parse_math=False)
        lines = wrap(text, room, lambda piece: drawn.set_text(piece) or drawn.get_window_extent().width)
        drawn.set_text("\n".join(lines))
        return drawn, len(lines) * points * 1.4 * figure.dpi / 72

    heading, head = label(title or "", 13, width - 2 * gap)
    labels = [label(str(text), 9, wide) for text in titles]
    above = [max(size for _, size in labels[i : i + cols]) for i in range(0, len(labels), cols)]
    height = round(head + sum(above) + len(above) * (high + gap) + gap)
    figure.set_size_inches(width / figure.dpi, height / figure.dpi)
    heading.set_position((gap / width, 1 - head / height))
    for i, picture in enumerate(pictures):
        x, row = gap + i % cols * (wide + gap), i // cols + 1
        y = round(height - head - sum(above[:row]) - row * (high + gap))
        box = (x / width, y / height, picture.width * zoom / width, picture.height * zoom / height)
        axes = figure.add_axes(box, frame_on=False, xticks=[], yticks=[])
        axes.imshow(np.asarray(picture), interpolation="nearest", aspect="auto")
        labels[i][0].set_position((x / width, (y + high + 3) / height))
    return _shown(figure, plt)


def show_curves(curves: dict[str, tuple], xlabel: str, ylabel: str, title=None, logy: bool = False):
    """Draw named curves in one plot, with a legend where there are several; return the figure.

    Args:
        curves: name -> (x, y), two arrays, lists or tensors of the same length.
        xlabel: what x is, with its unit; ``ylabel`` says it of y.
        title, logy: what the figure shows; whether the y axis is logarithmic.
    """
    import matplotlib.pyplot as plt

    if plt.rcParams["font.family"] != FAMILIES:
        use_style()
    figure, axes = plt.subplots(layout="constrained")
    for name, points in curves.items():
        x, y = (p.detach().cpu().numpy() if hasattr(p, "detach") else np.asarray(p) for p in points)
        axes.plot(x, y, label=name, marker="o" if len(x) < 2 else None)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title or "", yscale="log" if logy else "linear")
    axes.grid(True)
    axes.legend().set_visible(len(curves) > 1)
    return _shown(figure, plt)
