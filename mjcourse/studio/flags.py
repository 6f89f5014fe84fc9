"""The flags of the command language: one table, which the parser, its refusals, the docs and the widget all read.

A flag of Midjourney's that this course lacks is refused with the reason, and none is ever ignored. Chapter 13.
"""

from __future__ import annotations

from difflib import get_close_matches

from mjcourse.config import SEED_MAX, UserError
from mjcourse.data.scenes import ASPECTS, ATTRIBUTES
from mjcourse.data.words import EN_STYLE, ZH_STYLE
from mjcourse.studio.flag import DEFAULTS, Flag, plain, shown

DASHES = "-—–"  # some keyboards turn -- into one of the others

_STYLE_NAMES = tuple(  # 'paper collage' and 剪纸 are papercut too
    (name if isinstance(name, str) else name[0], style)
    for table in (EN_STYLE, ZH_STYLE)
    for style, names in table.items()
    for name in names
)
_ORDER = "the prior writes its tokens left to right, top to bottom, at one size"
_NO_TASTE = "a taste is kept as a change of the flow's weights"
_NO_START, _NO_LOOK = _ORDER + ", and starts from no picture", _ORDER + ", and looks at no other picture"

FLAGS: dict[str, Flag] = {
    flag.name: flag
    for flag in (
        Flag("seed", "whole", "the noise to start from: same command, same pictures; without it, one is drawn",
             high=SEED_MAX),
        Flag("guidance", "number", "how strictly to follow the prompt; 1 is no guidance", low=1, high=10,
             default={model: taken["guidance"] for model, taken in DEFAULTS.items()}),
        Flag("steps", "whole", "steps from noise to picture", low=1, high=200, default=DEFAULTS["flow"]["steps"],
             lacking="the prior always draws 256 tokens"),
        Flag("model", "choice", "the engine that draws", choices=tuple(DEFAULTS), default="flow", noun="engine"),
        Flag("no", "words",
             "what to keep out: `a --no x` has two parts, `a::1` and `a, x::-0.75`; several words share the -0.75",
             default=()),
        Flag("ar", "choice", "width to height of the pictures", choices=tuple(ASPECTS), default="1:1",
             aliases=("aspect",), noun="aspect ratio", lacking=_ORDER, harmless="1:1"),
        Flag("chaos", "whole", "how different the four pictures are from each other", high=100, default=0,
             aliases=("c",)),
        Flag("stylize", "whole",
             "how strongly a learned taste pulls: the house's (a script's: warm, rich in contrast), with `--p` yours",
             high=1000, default=100, aliases=("s",), lacking=_NO_TASTE, harmless=0),
        Flag("p", "switch", "your own taste, from your own ratings", default=False, aliases=("personalize",),
             lacking=_NO_TASTE, harmless=False),
        Flag("weird", "whole", "how untypical the pictures are", high=3000, default=0, aliases=("w",)),
        Flag("style", "choice", "the style of the pictures", choices=ATTRIBUTES["style"], noun="style",
             also=_STYLE_NAMES),
        Flag("tile", "switch", "edges that meet, for a pattern without seams", default=False,
             lacking=_ORDER + ", so its edges never meet", harmless=False),
        Flag("stop", "whole", "percent of the way after which to stop", low=10, high=100, default=100,
             lacking=_ORDER + ", so half of them is half a picture"),
        Flag("quality", "choice", "how many times the usual steps to take", choices=(0.5, 1.0, 2.0), default=1.0,
             aliases=("q",), noun="quality", lacking="the prior takes no steps, always 256 tokens"),
        Flag("init", "image", "a picture to start from", lacking=_NO_START),
        Flag("iw", "number", "weight of the picture that `--init` names", high=3, default=1.0, needs="init",
             lacking=_NO_START),
        Flag("sref", "image", "a picture to borrow the style of", lacking=_NO_LOOK),
        Flag("sw", "whole", "weight of the style that `--sref` names", high=1000, default=100, needs="sref",
             lacking=_NO_LOOK),
        Flag("repeat", "whole", "make the command so many times, each time with seeds of its own", low=1, high=10,
             default=1, aliases=("r",)),
    )
}  # fmt: skip

_TYPED = {name: flag for flag in FLAGS.values() for name in (flag.name, *flag.aliases)}

_LACKING = {  # Midjourney's flags that this course has not, and why
    ("cref", "cw"): "it needs a model of characters, which this course does not train",
    ("oref", "ow"): "it needs a model of objects, which this course does not train",
    ("video", "motion", "loop", "end", "bs"): "it needs a model of motion, which this course does not train",
    ("v", "version", "niji", "test", "testp", "creative"): "an engine has one version; --model picks the engine",
    ("hd", "hq", "uplight", "upbeta"): "pictures are 64 pixels wide until U1 to U4 upscale one to 256",
    ("raw",): "--stylize 0 leaves the learned taste out",
    ("fast", "turbo", "relax"): "pictures are made on your own machine, always as fast as it can",
    ("draft",): "--quality 0.5 takes half of the steps",
    ("exp",): "--stylize and --weird are the knobs for it",
    ("profile",): "--p takes your own ratings",
    ("stealth", "public"): "your pictures stay on your own machine",
    ("sv",): "there is one way to borrow a style; --sw is its weight",
}
LACKING = {name: why for names, why in _LACKING.items() for name in names}


def find_flag(word: str) -> Flag:
    """Return the flag of a name or alias, with its dashes or without.

    Raises:
        UserError: there is none; the line has the reason where it is one of Midjourney's, else the nearest flag.
    """
    name = word.lstrip(DASHES).lower()
    if name in _TYPED:
        return _TYPED[name]
    name, equals, _ = name[:40].partition("=")
    if name in LACKING:
        raise UserError(f"--{name} is Midjourney's and not in this course: {LACKING[name]}.")
    near = get_close_matches(name, _TYPED, 1)
    hint = f" Did you mean --{near[0]}?" if near else ""
    hint += " Write a space, not '='." if equals else ""
    raise UserError(f"unknown flag {shown(word)}; allowed are {', '.join(f'--{name}' for name in FLAGS)}.{hint}")


def is_flag(name: str) -> bool:
    """Say whether a flag has this name or alias, without dashes."""
    return name.lower() in _TYPED


def flags_table() -> str:
    """Return the flags as a table in Markdown, for the docs."""
    rows = ["| flag | values | without it | engines | meaning |", "|---|---|---|---|---|"]
    for flag in FLAGS.values():
        names = ", ".join(f"`--{name}`" for name in (flag.name, *flag.aliases))
        if isinstance(flag.default, dict):
            default = ", ".join(f"{plain(value)} ({model})" for model, value in flag.default.items())
        else:
            default = "–" if flag.default is None or flag.kind in ("switch", "words") else plain(flag.default)
        rows.append(f"| {names} | {flag.allowed} | {default} | {', '.join(flag.engines)} | {flag.meaning} |")
    return "\n".join(rows) + "\n"
