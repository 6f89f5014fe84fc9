"""The twelve things that can stand in a scene, as outlines in a box of 100 × 100.

Each is a list of (outline, tint) pairs, painted in order. The box's bottom edge is the ground and
its middle is x = 50. Tints: ``main`` (the colour that the caption names), ``light`` and ``shade``
(the same colour lit and in shadow), and fixed ones (see `TINTS`). Outlines are SVG path data.
"""

from __future__ import annotations

TINTS = {
    "cream": (250, 243, 226),
    "dark": (56, 48, 66),
    "wood": (122, 82, 52),
    "stone": (150, 146, 160),
    "window": (255, 226, 130),
    "slate": (84, 88, 112),
}


def disc(cx: float, cy: float, r: float, ry: float | None = None) -> str:
    """Return the outline of a disc or ellipse as SVG path data."""
    ry = r if ry is None else ry
    return f"M{cx - r:.2f} {cy:.2f}a{r:.2f} {ry:.2f} 0 1 0 {2 * r:.2f} 0a{r:.2f} {ry:.2f} 0 1 0 {-2 * r:.2f} 0Z"


def box(x: float, y: float, w: float, h: float) -> str:
    """Return the outline of a rectangle as SVG path data."""
    return f"M{x:.2f} {y:.2f}h{w:.2f}v{h:.2f}h{-w:.2f}Z"


_SAILS = "".join(
    f"M50 42L{50 + x1} {42 + y1}L{50 + x2} {42 + y2}Z"
    for x1, y1, x2, y2 in ((21, -35, 34, -23), (35, 21, 23, 34), (-21, 35, -34, 23), (-35, -21, -23, -34))
)

SHAPES: dict[str, list[tuple[str, str]]] = {
    "sailboat": [
        ("M10 76H90L76 98H24Z", "wood"),
        ("M10 76H90L87 82H13Z", "cream"),
        (box(47, 6, 4, 72), "dark"),
        ("M54 8C78 30 86 52 86 70H54Z", "main"),
        ("M44 18C30 36 18 54 14 70H44Z", "light"),
    ],
    "whale": [
        (
            "M4 78C4 48 30 36 52 38C72 40 80 54 86 52C86 40 78 36 74 26C84 26 90 30 92 36C96 28 100 26 108 28"
            "C106 42 100 46 98 60C94 84 70 96 44 96C18 96 4 90 4 78Z",
            "main",
        ),
        ("M6 82C22 88 50 88 70 80C62 92 50 96 40 96C20 96 8 90 6 82Z", "cream"),
        (disc(22, 66, 3.6), "dark"),
        ("M36 34C34 22 26 18 18 20C26 12 36 16 38 22C40 14 50 10 58 16C50 18 42 24 40 34Z", "spray"),
    ],
    "lighthouse": [
        ("M34 98L40 34H60L66 98Z", "cream"),
        ("M38.6 50L40 34H60L61.4 50Z", "main"),
        ("M36.4 74L37.6 62H62.4L63.6 74Z", "main"),
        ("M34 98L35.4 86H64.6L66 98Z", "main"),
        (box(34, 29, 32, 6), "dark"),
        (box(41, 15, 18, 14), "window"),
        ("M36 16L50 0L64 16Z", "main"),
    ],
    "house": [
        (box(68, 16, 10, 24), "shade"),
        (box(16, 48, 68, 50), "main"),
        ("M6 52L50 12L94 52Z", "slate"),
        (box(43, 68, 15, 30), "wood"),
        (box(23, 60, 14, 15), "window"),
        (box(64, 60, 14, 15), "window"),
    ],
    "palm": [
        ("M44 98C46 74 44 54 50 34L56 35C53 56 55 76 56 98Z", "wood"),
        ("M52 36C36 22 18 24 6 46C22 36 38 36 52 40Z", "main"),
        ("M52 36C68 22 86 24 98 46C82 36 66 36 52 40Z", "main"),
        ("M52 36C46 14 28 6 12 16C30 18 44 26 52 38Z", "light"),
        ("M52 36C58 14 76 6 92 16C74 18 60 26 52 38Z", "light"),
        ("M52 36C36 40 26 52 24 68C34 56 44 46 54 42Z", "shade"),
        ("M52 36C68 40 78 52 80 68C70 56 60 46 50 42Z", "shade"),
    ],
    "pine": [
        (box(44, 84, 12, 15), "wood"),
        ("M50 34L88 88H12Z", "shade"),
        ("M50 18L80 62H20Z", "main"),
        ("M50 0L71 38H29Z", "light"),
    ],
    "windmill": [
        ("M28 98L38 40H62L72 98Z", "main"),
        ("M35 44C36 28 64 28 65 44Z", "shade"),
        (box(45, 76, 11, 22), "wood"),
        (_SAILS, "cream"),
        (disc(50, 42, 4), "dark"),
    ],
    "castle": [
        (box(20, 46, 60, 52), "shade"),
        ("M20 46V38H28V42H36V38H44V42H56V38H64V42H72V38H80V46Z", "shade"),
        (box(6, 34, 24, 64), "main"),
        (box(70, 34, 24, 64), "main"),
        ("M3 36L18 6L33 36Z", "slate"),
        ("M67 36L82 6L97 36Z", "slate"),
        ("M40 98V76C40 64 60 64 60 76V98Z", "dark"),
        (box(14, 50, 8, 12) + box(78, 50, 8, 12), "window"),
    ],
    "tent": [
        ("M50 24L100 98H0Z", "main"),
        ("M50 24L22 98H0Z", "light"),
        ("M50 24L78 98H100Z", "shade"),
        ("M50 42L66 98H34Z", "dark"),
    ],
    "parasol": [
        (box(48, 20, 4.5, 78), "wood"),
        ("M4 52C8 20 30 8 50 8C70 8 92 20 96 52Q84 43 73 52Q61 43 50 52Q39 43 27 52Q16 43 4 52Z", "main"),
        ("M27 52C28 30 38 12 50 8C62 12 72 30 73 52Q61 43 50 52Q39 43 27 52Z", "cream"),
    ],
    "balloon": [
        ("M40 78L37 66M60 78L63 66", "rope"),
        ("M50 0C76 0 88 18 86 36C84 52 70 62 62 74H38C30 62 16 52 14 36C12 18 24 0 50 0Z", "main"),
        ("M50 0C61 12 64 36 56 74H44C36 36 39 12 50 0Z", "light"),
        (box(40, 80, 20, 17), "wood"),
    ],
    "cat": [
        ("M70 92C96 92 100 66 90 52C86 48 80 54 84 60C88 70 84 80 70 82Z", "shade"),
        ("M26 98C22 70 34 54 50 54C68 54 80 72 76 98Z", "main"),
        ("M18 44L20 10L38 22H58L76 10L78 44C78 58 64 66 48 66C32 66 18 58 18 44Z", "main"),
        ("M24 22L26 18L34 25ZM72 22L70 18L62 25Z", "blush"),
        (disc(36, 42, 4.4) + disc(60, 42, 4.4), "dark"),
        ("M44 50H52L48 55Z", "blush"),
        (disc(40, 95, 7, 4) + disc(60, 95, 7, 4), "cream"),
    ],
}

# Height of the box in units of the picture's shorter side over 64, for one of a kind.
SIZE = {
    "sailboat": 24, "whale": 22, "lighthouse": 31, "house": 23, "palm": 30, "pine": 28,
    "windmill": 29, "castle": 27, "tent": 20, "parasol": 24, "balloon": 24, "cat": 20,
}  # fmt: skip

# Distance between neighbours of a kind, in widths of the box, for those that are slimmer than it.
SPACING = {"lighthouse": 0.66, "pine": 0.84, "palm": 0.94, "windmill": 0.9, "balloon": 0.86, "cat": 1.0}
