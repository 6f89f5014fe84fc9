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
GUIDANCE, STEPS = 4.0, 25  # chosen on validation prompts: benchmarks/guidance.py
DASHES = "-—–"


@dataclass(frozen=True)
class Command:
    """A prompt and its settings, all checked: what one grid of four is made from."""

    prompt: str
    seed: int
    guidance: float = GUIDANCE
    steps: int = STEPS

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("seed", self.seed, 0, SEED_MAX), ("guidance", self.guidance, 1, 10), ("steps", self.steps, 1, 200),
        ):  # fmt: skip
            if not low <= value <= high:
                raise UserError(f"--{name} is {value}; allowed are {low} to {high}.")


def parse(text: str, **settings: float | int | None) -> Command:
    """Read a prompt with flags inside (``a lighthouse --seed 5``) and settings given beside it.

    A setting given beside the text wins over the same flag inside it; without a seed, one is drawn.

    Raises:
        UserError: an unknown flag, a value out of range, or a prompt that `clean_prompt` refuses.
    """
    text = re.sub(r"(?<=[\u3400-\u9fff，。])(?=--|—|–)", " ", clean_prompt(text))  # 太阳--seed 5 needs no space
    words, kinds = text.split(), {"seed": int, "guidance": float, "steps": int}
    said: list[str] = []
    found: dict[str, float | int] = {}
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
    return Command(clean_prompt(" ".join(said)), **found)


def imagine(text: str, seed: int | None = None, guidance: float | None = None, steps: int | None = None,
            progress=None) -> tuple[np.ndarray, Command]:  # fmt: skip
    """Draw the four pictures of a command.

    Args:
        text: the prompt, flags allowed.
        seed, guidance, steps: as the flags.
        progress: called with the number of steps done.

    Returns:
        Pictures (4, 64, 64, 3) uint8, and the command as understood.
    """
    from mjcourse.studio.engine import default_engine

    command = parse(text, seed=seed, guidance=guidance, steps=steps)
    seeds = [(command.seed + i) % (SEED_MAX + 1) for i in range(4)]
    pictures = default_engine()([command.prompt] * 4, seeds, command.guidance, command.steps, progress)
    return pictures, command


def imagine_command(prompt: str, out: Path, seed: int | None = None, steps: int | None = None,
                    guidance: float | None = None, per_picture: bool = False) -> None:  # fmt: skip
    """Write the grid of a prompt to a PNG that carries its settings; name the words the model never saw."""
    from PIL import Image, PngImagePlugin

    from mjcourse.files import write_atomically
    from mjcourse.viz import captioned_grid

    parse(prompt, seed=seed, guidance=guidance, steps=steps)  # a mistake is told before the models load
    if out.suffix.lower() != ".png":
        raise UserError(f"cannot write {out.name}: the file's name must end in .png.")
    if not out.parent.is_dir():
        raise UserError(f"cannot write {out.name}: there is no folder {out.parent}.")
    pictures, command = imagine(prompt, seed, guidance, steps)
    if unknown := unknown_words(command.prompt):
        print(describe_unknown(unknown), file=sys.stderr)
    settings = {"prompt": command.prompt, "seed": command.seed, "guidance": command.guidance,
                "steps": command.steps, "model": "flow"}  # fmt: skip
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", f"{command.prompt} --seed {command.seed}")
    info.add_itxt("mjcourse", json.dumps(settings, ensure_ascii=False))
    footer = f"mjcourse · seed {command.seed} · guidance {command.guidance:g} · {command.steps} steps"
    files = {out: captioned_grid(list(pictures), command.prompt, footer)}
    if per_picture:
        files |= {out.with_stem(f"{out.stem}-{i + 1}"): Image.fromarray(p) for i, p in enumerate(pictures)}
    for path, image in files.items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG", pnginfo=info)
        write_atomically(path, buffer.getvalue())
    print(f"{out}: {command.prompt}  --seed {command.seed}")
