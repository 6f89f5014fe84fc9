"""``mjcourse imagine``: a prompt in, a captioned 2 × 2 grid out. Chapter 00 uses it, chapter 13 extends it."""

from __future__ import annotations

import io
import json
import re
import secrets
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from mjcourse.config import UserError
from mjcourse.data.prompts import clean_prompt, describe_unknown, unknown_words

SEED_MAX = 4_294_967_295
DEFAULTS = {  # what each engine takes; chosen on validation prompts: benchmarks/guidance.py
    "flow": {"guidance": 4.0, "steps": 25},
    "prior": {"guidance": 3.0},
}
DASHES = "-—–"


@dataclass(frozen=True)
class Command:
    """A prompt and its settings, all checked: what one grid of four is made from."""

    prompt: str
    seed: int
    guidance: float = DEFAULTS["flow"]["guidance"]
    steps: int | None = DEFAULTS["flow"]["steps"]  # None for an engine that takes none
    model: str = "flow"

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("seed", self.seed, 0, SEED_MAX), ("guidance", self.guidance, 1, 10), ("steps", self.steps, 1, 200),
        ):  # fmt: skip
            if value is not None and not low <= value <= high:
                raise UserError(f"--{name} is {value}; allowed are {low} to {high}.")

    def __str__(self) -> str:
        """Return what to type to get the same pictures again."""
        plain = {"seed": None, "model": "flow", "steps": None, **DEFAULTS[self.model]}
        flags = {name: getattr(self, name) for name in ("seed", "guidance", "steps", "model")}
        told = (f"--{name} {value:g}" if name == "guidance" else f"--{name} {value}"
                for name, value in flags.items() if value != plain[name])  # fmt: skip
        return " ".join([self.prompt, *told])


def parse(text: str, **settings: float | int | str | None) -> Command:
    """Read a prompt with flags inside (``a lighthouse --seed 5``) and settings given beside it.

    A setting given beside the text wins over the same flag inside it; without a seed, one is drawn.

    Raises:
        UserError: an unknown flag or engine, a value out of range, a flag that the engine does not take, or a prompt
            that `clean_prompt` refuses.
    """
    text = re.sub(r"(?<=[\u3400-\u9fff，。])(?=--|—|–)", " ", clean_prompt(text))  # 太阳--seed 5 needs no space
    words, kinds = text.split(), {"seed": int, "guidance": float, "steps": int, "model": str}
    said: list[str] = []
    found: dict[str, float | int | str] = {}
    while words:
        word = words.pop(0)
        if not word.startswith(("--", "—", "–")) or not word.lstrip(DASHES):  # some keyboards turn -- into —
            said.append(word)
            continue
        flag = word.lstrip(DASHES).lower()
        if flag not in kinds:
            near = get_close_matches(flag, kinds, 1)
            hint = f" Did you mean --{near[0]}?" if near else ""
            raise UserError(f"unknown flag {word!r}; this model takes {', '.join('--' + k for k in kinds)}.{hint}")
        value = words.pop(0) if words else ""
        try:
            found[flag] = kinds[flag](value)
        except ValueError:
            raise UserError(f"--{flag} needs a number, not {value!r}.") from None
    found |= {k: v for k, v in settings.items() if v is not None}
    found.setdefault("seed", secrets.randbelow(SEED_MAX + 1))
    model = found["model"] = str(found.get("model", "flow")).lower()
    if model not in DEFAULTS:
        near = get_close_matches(model, DEFAULTS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"there is no engine {model!r}; --model takes {' or '.join(DEFAULTS)}.{hint}")
    if "steps" in found and "steps" not in DEFAULTS[model]:
        raise UserError("--steps is the flow model's; the prior always draws 256 tokens. Leave it out.")
    return Command(clean_prompt(" ".join(said)), **{"steps": None, **DEFAULTS[model], **found})


def imagine(text: str, progress=None, **settings: float | int | str | None) -> tuple[np.ndarray, Command]:
    """Draw the four pictures of a command.

    Args:
        text: the prompt, flags allowed.
        progress: called with the number of steps (or tokens) done.
        settings: ``seed``, ``guidance``, ``steps``, ``model``, as the flags.

    Returns:
        Pictures (4, 64, 64, 3) uint8, and the command as understood.
    """
    from mjcourse.studio.engine import default_engine

    command = parse(text, **settings)
    seeds = [(command.seed + i) % (SEED_MAX + 1) for i in range(4)]
    how = {"steps": command.steps} if command.steps else {}
    engine = default_engine(command.model)
    pictures = engine([command.prompt] * 4, seeds, guidance_scale=command.guidance, progress=progress, **how)
    return pictures, command


def imagine_command(
    prompt: str, out: Path, per_picture: bool = False, **settings: float | int | str | None
) -> None:  # fmt: skip
    """Write the grid of a prompt to a PNG that carries its settings; name the words the model never saw."""
    from PIL import Image, PngImagePlugin

    from mjcourse.files import write_atomically
    from mjcourse.viz import captioned_grid

    parse(prompt, **settings)  # a mistake is told before the models load
    if out.suffix.lower() != ".png":
        raise UserError(f"cannot write {out.name}: the file's name must end in .png.")
    if not out.parent.is_dir():
        raise UserError(f"cannot write {out.name}: there is no folder {out.parent}.")
    pictures, command = imagine(prompt, **settings)
    if unknown := unknown_words(command.prompt):
        print(describe_unknown(unknown), file=sys.stderr)
    told = {"prompt": command.prompt, "seed": command.seed, "guidance": command.guidance}
    told |= {"steps": command.steps} if command.steps else {}
    told["model"] = command.model
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", str(command))
    info.add_itxt("mjcourse", json.dumps(told, ensure_ascii=False))
    footer = f"mjcourse {command.model} · seed {command.seed} · guidance {command.guidance:g}"
    footer += f" · {command.steps} steps" if command.steps else ""
    files = {out: captioned_grid(list(pictures), command.prompt, footer)}
    if per_picture:
        files |= {out.with_stem(f"{out.stem}-{i + 1}"): Image.fromarray(p) for i, p in enumerate(pictures)}
    for path, image in files.items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG", pnginfo=info)
        write_atomically(path, buffer.getvalue())
    print(f"{out}: {command}")
