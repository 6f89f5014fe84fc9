"""How each of the six styles puts a shape on paper, and how it finishes the picture.

A `Brush` turns outlines into SVG the way its style does (flat, cut from paper, drawn in light …);
`finish` does what only pixels can (paper grain, bleeding, glow, big pixels), at any size alike.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mjcourse.data.palette import RGB, css, mix
from mjcourse.data.scenes import Scene

PAPER: RGB = (250, 246, 234)
INK: RGB = (40, 36, 52)
NEON_NIGHT: dict[str, RGB] = {  # the darkness that neon tubes glow in
    "morning": (96, 34, 88), "day": (8, 60, 118), "sunset": (88, 14, 40), "night": (8, 6, 32),
}  # fmt: skip


class Brush:
    """Collects SVG elements for one picture in one style.

    Args:
        scene: what is painted; its style and time of day set colours and outlines.
        width, height: size of the canvas in units; the shorter side is 64.
    """

    def __init__(self, scene: Scene, width: float, height: float) -> None:
        self.style, self.width, self.height = scene.style, width, height
        self.night = NEON_NIGHT[scene.time]
        self.wash = 0.12 if scene.time == "night" else 0.3  # paper that shows through thinned ink
        self.defs: list[str] = []
        self.body: list[str] = []

    def tone(self, colour: RGB) -> RGB:
        """Return the colour as this style's paints have it."""
        match self.style:
            case "watercolor":
                return mix(colour, PAPER, 0.22)
            case "ink":
                grey = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
                return mix(mix(colour, (grey, grey, grey), 0.28), PAPER, self.wash)
            case "neon":
                return mix(colour, self.night, 0.84)
            case "papercut":
                return mix(colour, (255, 240, 224), 0.08)
            case _:
                return colour

    def gradient(self, *stops: tuple[float, RGB, float], radial: bool = False) -> str:
        """Define a gradient of (offset, colour, opacity) stops and return its ``url(#…)``."""
        name = f"g{len(self.defs)}"
        inner = "".join(f'<stop offset="{o:.3f}" stop-color="{css(c)}" stop-opacity="{a:.3f}"/>' for o, c, a in stops)
        kind = "radialGradient" if radial else "linearGradient"
        axis = "" if radial else ' x1="0" y1="0" x2="0" y2="1"'
        self.defs.append(f'<{kind} id="{name}"{axis}>{inner}</{kind}>')
        return f"url(#{name})"

    def raw(self, d: str, fill: str, opacity: float = 1.0, extra: str = "") -> None:
        """Paint an outline with any SVG fill, the same in each style."""
        fade = f' opacity="{opacity:.3f}"' if opacity < 1 else ""
        self.body.append(f'<path d="{d}" fill="{fill}"{fade}{extra}/>')

    def glow(self, cx: float, cy: float, r: float, colour: RGB, opacity: float) -> None:
        """Paint a soft disc of light that fades to nothing at radius `r` units; a flat one in pixel art."""
        if self.style == "pixel":
            q = r * 0.45
            arcs = f"a{q:.2f} {q:.2f} 0 1 0 {2 * q:.2f} 0a{q:.2f} {q:.2f} 0 1 0 {-2 * q:.2f} 0Z"
            self.raw(f"M{cx - q:.2f} {cy:.2f}{arcs}", css(colour), opacity * 0.35)
            return
        fill = self.gradient((0, colour, opacity), (0.35, colour, opacity * 0.5), (1, colour, 0), radial=True)
        self.body.append(f'<circle cx="{cx:.2f}" cy="{cy:.2f}" r="{r:.2f}" fill="{fill}"/>')

    def sky(self, stops: tuple[RGB, RGB, RGB], horizon: float) -> None:
        """Fill the canvas from the top to the horizon, in bands where the style has no soft blends."""
        w, h = self.width, self.height
        top, middle, low = (self.tone(c) for c in stops)
        if self.style in ("papercut", "pixel"):
            n = 5
            for i in range(n):
                t = i / (n - 1)
                c = mix(top, middle, t * 2) if t < 0.5 else mix(middle, low, t * 2 - 1)
                y = horizon * i / n
                if self.style == "papercut":
                    wave = f"M0 {y:.2f}C{w * 0.3:.2f} {y - 4:.2f} {w * 0.6:.2f} {y + 5:.2f} {w} {y - 1:.2f}V{h}H0Z"
                    self.shape(wave if i else f"M0 0H{w}V{h}H0Z", c, toned=True)
                else:
                    self.raw(f"M0 {y:.2f}H{w}V{h}H0Z", css(c))
        else:
            fill = self.gradient((0, top, 1), (0.6 * horizon / h, middle, 1), (horizon / h, low, 1))
            self.raw(f"M0 0H{w}V{h}H0Z", fill)

    def shape(
        self,
        d: str,
        colour: RGB,
        *,
        to: RGB | None = None,
        place: str = "",
        scale: float = 1.0,
        line: float = 1.0,
        thing: bool = False,
        toned: bool = False,
    ) -> None:
        """Paint one outline in the manner of the style.

        Args:
            d: SVG path data.
            colour: fill; with `to`, the top of a vertical gradient that ends in `to`.
            place: an SVG ``transform``; `scale` is its scale, so that line widths stay in units.
            line: width of outlines against the style's usual one; 0 for none.
            thing: whether this belongs to a sun, moon or object, which keep their colour in every style.
            toned: whether `colour` has been through `tone` already.
        """
        paint = self.tone
        if toned:

            def paint(c: RGB) -> RGB:  # fmt: skip
                return c
        elif thing and self.style == "ink":

            def paint(c: RGB) -> RGB:  # fmt: skip
                return mix(c, PAPER, 0.08)
        elif thing and self.style == "watercolor":

            def paint(c: RGB) -> RGB:  # fmt: skip
                return mix(c, PAPER, 0.06)
        elif thing and self.style == "neon":

            def paint(c: RGB) -> RGB:  # fmt: skip
                return mix(c, self.night, 0.6)

        move = f' transform="{place}"' if place else ""
        fill = self.gradient((0, paint(colour), 1), (1, paint(to), 1)) if to else css(paint(colour))
        stroke, width = "", 0.0
        if self.style == "neon":
            bright = colour if thing else mix(colour, (150, 130, 255), 0.25)
            lift = 255 / max(60.0, *bright)
            stroke, width = css(tuple(c * lift for c in bright)), 1.15 if thing else 0.8
        elif self.style == "ink":
            stroke, width = css(INK), 0.75
        elif self.style == "pixel" and thing:
            stroke, width = css(mix(colour, (30, 20, 50), 0.5)), 0.8
        elif self.style == "watercolor":
            stroke, width = css(mix(paint(colour), (60, 50, 80), 0.36)), 0.6 if thing else 0.4
        elif self.style == "papercut" and line:
            for k, a in ((2.0, 0.14), (1.1, 0.24)):
                shadow = f"translate({0.7 * k:.2f} {k:.2f}) {place}"
                self.body.append(f'<path d="{d}" fill="#1c1030" opacity="{a}" transform="{shadow}"/>')
            stroke, width = css(mix(paint(colour), (255, 252, 244), 0.62)), 0.6
        pen = ""
        if width * line:
            pen = f' stroke="{stroke}" stroke-width="{width * line / scale:.3f}" stroke-linejoin="round"'
        self.body.append(f'<path d="{d}" fill="{fill}"{pen}{move}/>')

    def svg(self) -> str:
        """Return the whole picture as an SVG document."""
        size = f"0 0 {self.width} {self.height}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}">'
            f"<defs>{''.join(self.defs)}</defs>{''.join(self.body)}</svg>"
        )


def _noise(rng: np.random.Generator, cells: int, w: int, h: int) -> np.ndarray:
    """Return smooth noise in about -1 to 1, (h, w): the same field at any size for the same `rng` state."""
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC))


def finish(pixels: np.ndarray, style: str, seed: int, size: tuple[int, int]) -> np.ndarray:
    """Apply the pixel-level part of a style.

    Args:
        pixels: (h, w, 3) float32 in 0 to 255, as large as the result; smaller for ``pixel``.
        style: one of the six.
        seed: fixes the grain, so that a scene is the same picture each time.
        size: (W, H) of the result in pixels.

    Returns:
        (H, W, 3) float32 in 0 to 255.
    """
    h, w, _ = pixels.shape
    unit = min(h, w) / 64
    rng = np.random.default_rng(seed)
    if style == "watercolor":
        dx, dy = (_noise(rng, 14, w, h) * 0.5 * unit for _ in range(2))
        y = np.clip(np.round(np.arange(h)[:, None] + dy), 0, h - 1).astype(np.intp)
        x = np.clip(np.round(np.arange(w)[None] + dx), 0, w - 1).astype(np.intp)
        pixels = pixels[y, x] * (1 + 0.05 * _noise(rng, 20, w, h) + 0.05 * _noise(rng, 6, w, h))[..., None]
        edge_y = np.minimum(np.arange(h) + 0.5, h - np.arange(h) - 0.5)[:, None] / unit
        edge_x = np.minimum(np.arange(w) + 0.5, w - np.arange(w) - 0.5)[None] / unit
        depth = np.minimum(edge_x, edge_y) - 2.6 + 1.1 * _noise(rng, 16, w, h)
        cover = np.clip(depth / 1.2, 0, 1)[..., None].astype(np.float32)
        return pixels * cover + np.array(PAPER, np.float32) * (1 - cover)
    if style == "neon":
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        halo = np.asarray(image.filter(ImageFilter.GaussianBlur(1.6 * unit)), np.float32)
        return 255 - (255 - pixels) * (255 - halo * 0.55) / 255
    if style == "pixel":
        image = Image.fromarray((np.round(pixels / 16) * 16).clip(0, 255).astype(np.uint8))
        return np.asarray(image.resize(size, Image.Resampling.NEAREST), np.float32)
    if style == "ink":
        return pixels * (1 + 0.02 * _noise(rng, 24, w, h))[..., None]
    return pixels
