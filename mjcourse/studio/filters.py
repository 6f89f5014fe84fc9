"""The table of filters, and the chains made of them: ``exposure 0.5, contrast 1.2, palette sunset``. Chapter 11.

A chain runs in floating point from end to end: bytes become numbers once, pass from filter to filter in the space that
each needs, and are rounded once. The filters themselves are in `tone`, `looks` and `palettes`, each with its equation.
"""

from __future__ import annotations

import numbers
import unicodedata
from collections.abc import Iterable

import numpy as np
from PIL import Image

from mjcourse.config import SEED_MAX, UserError
from mjcourse.studio import looks, palettes, tone
from mjcourse.studio.colour import convert, to_bytes, to_float
from mjcourse.studio.filter_spec import Filter, Value, did_you_mean, shortened

MAX_FILTERS = 16  # in a chain
MAX_TEXT = 1000  # characters of a chain
MAX_SIDE = 2048  # pixels of a picture
STRAIGHT: tone.Points = ((0.0, 0.0), (1.0, 1.0))
_TYPED = str.maketrans({"−": "-", "–": "-", "—": "-", "、": ","})  # what keyboards make of a minus and a comma


def look(values: np.ndarray, name: str, seed: int = 0) -> np.ndarray:
    """Apply a look: c' = fₙ(… f₂(f₁(c))), the filters of its chain in `looks.LOOKS`, one after the other.

    From sRGB values to sRGB values; each filter of the chain in its own space.
    """
    return _run(values, parse_filters(looks.LOOKS[name]), seed)


FILTERS: dict[str, Filter] = {
    f.name: f
    for f in (
        Filter("exposure", tone.exposure, "linear", 0.0, "stops of light: 1 doubles it, -1 halves it", -3, 3),
        Filter("contrast", tone.contrast, "srgb", 1.0, "distance of tones from the mean brightness; 0 is grey", 0, 3),
        Filter("curve", tone.curve, "srgb", STRAIGHT, "tones bent through points, in:out"),
        Filter("saturation", tone.saturation, "srgb", 1.0, "strength of colours; 0 is black and white", 0, 3),
        Filter("temperature", tone.temperature, "linear", 0.0, "warmer light above 0, cooler below", -1, 1),
        Filter("tint", tone.tint, "linear", 0.0, "towards magenta above 0, towards green below", -1, 1),
        Filter("fade", looks.fade, "srgb", 0.0, "old film: lifted shadows, yellowed whites, pale colours"),
        Filter("blur", tone.blur, "linear", 0.0, "out of focus, in 64ths of the shorter side", 0, 8),
        Filter("sharpen", tone.sharpen, "srgb", 0.0, "edges stressed", 0, 3),
        Filter("glow", looks.glow, "linear", 0.0, "halos round what is bright"),
        Filter("duotone", looks.duotone, "oklab", "none", "shades of one ink", choices=tuple(looks.DUOTONES)),
        Filter("posterize", looks.posterize, "oklab", 0, "steps of lightness", 2, 16),
        Filter("outline", looks.outline, "oklab", 0.0, "ink along the edges"),
        Filter("halftone", looks.halftone, "linear", 0.0, "printed in dots"),
        Filter("pixelate", looks.pixelate, "linear", 0, "side of big pixels, in 64ths of the shorter side", 2, 16),
        Filter("quantize", palettes.quantize, "oklab", 0, "number of colours, the picture's own", 2, 32, seeded=True),
        Filter("palette", palettes.palette, "oklab", "none", "only the colours of a palette, each the nearest",
               choices=tuple(palettes.PALETTES)),
        Filter("dither", palettes.dither, "linear", "none", "only the colours of a palette, mixed from dots",
               choices=tuple(palettes.PALETTES)),
        Filter("vignette", tone.vignette, "linear", 0.0, "share of the light that the corners lose", 0, 0.9),
        Filter("grain", tone.grain, "srgb", 0.0, "film grain", seeded=True),
        Filter("look", look, "srgb", "none", "a chain with a name", choices=tuple(looks.LOOKS), seeded=True),
    )
}  # fmt: skip


class Chain(tuple):
    """Filters one after the other: a tuple of (name, value), all checked; its text is what to type for it.

    Args:
        steps: pairs of a name of `FILTERS` and a value.

    Raises:
        UserError: an unknown name, a value that the filter does not take, or more than 16 filters.
    """

    __slots__ = ()

    def __new__(cls, steps: Iterable[tuple[str, Value]] = ()) -> Chain:
        checked = tuple((name, _known(name).check(value)) for name, value in steps)
        if len(checked) > MAX_FILTERS:
            raise UserError(f"a chain of {len(checked)} filters is too long; allowed are {MAX_FILTERS}.")
        return super().__new__(cls, checked)

    def __str__(self) -> str:
        return ", ".join(f"{name} {FILTERS[name].write(value)}" for name, value in self)


def _known(name: str) -> Filter:
    if not isinstance(name, str) or name not in FILTERS:
        raise UserError(f"there is no filter {shortened(name)}; allowed are {', '.join(FILTERS)}."
                        f"{did_you_mean(str(name), FILTERS)}")  # fmt: skip
    return FILTERS[name]


def parse_filters(text: str) -> Chain:
    """Read a chain: filters between commas, each a name and a value; an empty text is an empty chain.

    Large letters, full-width letters and commas and the minus of a phone's keyboard are understood.

    Args:
        text: such as ``exposure 0.5, curve 0:0 0.5:0.6 1:1, palette sunset``.

    Returns:
        A `Chain`: ``str`` gives a text that reads the same.

    Raises:
        UserError: an unknown filter, a value that it does not take, or a text or chain that is too long.
    """
    if len(text) > MAX_TEXT:
        raise UserError(f"the filters have {len(text):,} characters; allowed are {MAX_TEXT:,}: leave some out.")
    text = unicodedata.normalize("NFKC", text).translate(_TYPED).lower()
    steps = []
    for part in text.split(",") if text.strip() else ():
        name, *value = part.split(maxsplit=1) or [""]
        if not name:
            raise UserError("there is no filter between two commas; write them like exposure 0.5, contrast 1.2.")
        if not value:
            raise UserError(f"{name} needs a value; allowed are {_known(name).allowed}.")
        steps.append((name, _known(name).read(value[0].strip())))
    return Chain(steps)


def _run(values: np.ndarray, chain: Chain, seed: int) -> np.ndarray:
    """Take sRGB values (H, W, 3) through a chain; nothing is rounded or cut off on the way."""
    space = "srgb"
    for name, value in chain:
        f = FILTERS[name]
        if value != f.neutral:
            extra = {"seed": seed} if f.seeded else {}
            values, space = f.function(convert(values, space, f.space), value, **extra), f.space
    return convert(values, space, "srgb")


def apply_filters(
    picture: np.ndarray | Image.Image, chain: str | Iterable[tuple[str, Value]], seed: int = 0
) -> np.ndarray | Image.Image:
    """Take a picture through a chain of filters (chapter 11).

    Args:
        picture: (H, W, 3) uint8, or a Pillow picture in RGB; sides of 1 to 2048 pixels.
        chain: a text for `parse_filters`, or pairs of name and value.
        seed: of grain and of the palettes that are searched for; same seed, same bytes. 0 to 4294967295.

    Returns:
        A new picture of the same kind and size.

    Raises:
        UserError: what `parse_filters` refuses, another kind of picture, or a seed out of range.
    """
    chain = parse_filters(chain) if isinstance(chain, str) else Chain(chain)
    if not isinstance(seed, numbers.Integral) or not 0 <= seed <= SEED_MAX:
        raise UserError(f"the seed is {shortened(seed)}; allowed are whole numbers from 0 to {SEED_MAX}.")
    if isinstance(picture, Image.Image) and picture.mode != "RGB":
        raise UserError(f"filters take RGB pictures, not {picture.mode}; turn it with .convert('RGB') first.")
    pixels = np.asarray(picture)
    fits = pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    if not fits or min(pixels.shape) < 1 or max(pixels.shape) > MAX_SIDE:
        raise UserError(
            f"filters take uint8 pictures (H, W, 3) with sides of 1 to {MAX_SIDE} pixels, "
            f"not {pixels.dtype} {pixels.shape}; give one picture, and scale a larger one down."
        )
    if any(value != FILTERS[name].neutral for name, value in chain):
        pixels = to_bytes(_run(to_float(pixels), chain, seed))
    return Image.fromarray(pixels) if isinstance(picture, Image.Image) else pixels.copy()


def filter_table() -> str:
    """Return the table of all filters in Markdown, for the documentation and for chapter 11."""
    rows = [f"| `{f.name}` | {f.allowed} | {f.write(f.neutral)} | {f.space} | {f.meaning} |" for f in FILTERS.values()]
    return "\n".join(["| filter | values | neutral | computed in | meaning |", "|---|---|---|---|---|", *rows])
