"""The colours of a scene: skies by time of day, light by weather, and what a mood does to them all."""

from __future__ import annotations

import numpy as np

from mjcourse.data.scenes import Scene

RGB = tuple[float, float, float]  # 0 to 255 each

OBJECT_RGB: dict[str, RGB] = {
    "red": (222, 52, 52),
    "yellow": (250, 206, 46),
    "green": (58, 166, 84),
    "blue": (44, 104, 216),
    "purple": (142, 68, 190),
    "white": (246, 246, 250),
}
BODY_RGB: dict[str, RGB] = {
    "yellow": (255, 220, 62),
    "orange": (255, 142, 34),
    "red": (230, 54, 44),
    "white": (255, 255, 250),
}
SKY: dict[str, tuple[RGB, RGB, RGB]] = {  # top, middle, at the horizon
    "morning": ((118, 176, 222), (244, 196, 204), (255, 232, 200)),
    "day": ((44, 130, 214), (122, 194, 240), (214, 240, 250)),
    "sunset": ((72, 44, 116), (226, 92, 104), (255, 190, 104)),
    "night": ((12, 16, 58), (30, 48, 116), (78, 104, 172)),
}
WATER: dict[str, tuple[RGB, RGB]] = {  # far, near
    "morning": ((170, 202, 214), (82, 144, 182)),
    "day": ((92, 184, 216), (20, 104, 170)),
    "sunset": ((232, 140, 112), (92, 62, 122)),
    "night": ((52, 76, 138), (12, 22, 62)),
}
GROUND: dict[str, tuple[RGB, RGB]] = {  # lit, in shade
    "sand": ((246, 220, 156), (216, 176, 108)),
    "grass": ((128, 192, 88), (62, 132, 66)),
    "snow": ((248, 251, 255), (196, 212, 234)),
    "rock": ((150, 142, 140), (98, 92, 100)),
    "flowers": ((116, 184, 96), (70, 142, 80)),
}
BACKGROUND: dict[str, RGB] = {
    "mountains": (104, 112, 152),
    "hills": (92, 150, 104),
    "city": (92, 98, 128),
    "forest": (38, 98, 78),
}
# How much of the light's colour falls on land and things, and that colour.
LIGHT: dict[str, tuple[RGB, float]] = {
    "morning": ((255, 214, 200), 0.16),
    "day": ((255, 255, 255), 0.0),
    "sunset": ((210, 96, 96), 0.24),
    "night": ((26, 36, 96), 0.42),
}
# Grey that the weather mixes into the sky and the distance, and how much of it.
AIR: dict[str, tuple[RGB, float]] = {
    "clear": ((255, 255, 255), 0.0),
    "cloudy": ((190, 198, 210), 0.3),
    "rain": ((96, 108, 126), 0.55),
    "snow": ((206, 214, 226), 0.42),
    "fog": ((222, 224, 226), 0.42),
}


def mix(a: RGB, b: RGB, t: float) -> RGB:
    """Blend colour `a` into `b`: 0 gives `a`, 1 gives `b`."""
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def css(colour: RGB) -> str:
    """Return a colour as SVG writes it, ``#rrggbb``."""
    r, g, b = (min(255, max(0, round(c))) for c in colour)
    return f"#{r:02x}{g:02x}{b:02x}"


def air(scene: Scene, colour: RGB, depth: float = 1.0) -> RGB:
    """Put `depth` (0 to 1) of the weather's haze before a colour, darkened to the time of day."""
    haze, amount = AIR[scene.weather]
    haze = mix(haze, SKY[scene.time][1], 0.66 if scene.time == "night" else 0.3)
    return mix(colour, haze, amount * depth)


def lit(scene: Scene, colour: RGB, share: float = 1.0) -> RGB:
    """Return a colour as the light of the scene's time of day shows it."""
    light, amount = LIGHT[scene.time]
    return mix(colour, light, amount * share)


# Mood as a grading of the finished picture: saturation, gain, lift, tint, tint's share, vignette.
_GRADE = {
    "calm": (0.82, 0.92, 18.0, (222, 232, 240), 0.1, 0.0),
    "joyful": (1.28, 1.06, 4.0, (255, 232, 150), 0.09, 0.0),
    "gloomy": (0.66, 0.94, 6.0, (74, 88, 104), 0.14, 0.24),
    "mysterious": (0.95, 0.95, 8.0, (120, 64, 184), 0.16, 0.22),
}


def grade(pixels: np.ndarray, mood: str) -> np.ndarray:
    """Grade a picture by mood: saturation, gain and lift, a tint, and darker corners.

    Args:
        pixels: (H, W, 3) float32 in 0 to 255.
        mood: one of the moods of `ATTRIBUTES`.

    Returns:
        (H, W, 3) float32, not clipped.
    """
    saturation, gain, lift, tint, share, vignette = _GRADE[mood]
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    out = grey[..., None] + (pixels - grey[..., None]) * np.float32(saturation)
    out = out * np.float32(gain) + np.float32(lift)
    out += (np.array(tint, np.float32) - out) * np.float32(share)
    if vignette:
        h, w = grey.shape
        y = ((np.arange(h, dtype=np.float32) + 0.5) / h * 2 - 1)[:, None]
        x = ((np.arange(w, dtype=np.float32) + 0.5) / w * 2 - 1)[None]
        out *= (1 - np.float32(vignette) * np.clip((x * x + y * y) / 2, 0, 1) ** 1.5)[..., None]
    return out
