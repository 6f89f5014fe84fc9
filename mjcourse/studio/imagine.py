"""``mjcourse imagine``: commands in, captioned 2 × 2 grids out. Chapter 00 uses it, chapter 13 takes it apart."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mjcourse.config import UserError
from mjcourse.data.prompts import describe_unknown, unknown_words
from mjcourse.studio.command import DEFAULTS, SEED_MAX, Command, expand, needs_asking, parse

__all__ = ["DEFAULTS", "SEED_MAX", "Command", "imagine", "imagine_command", "parse"]


def imagine(text: str, progress=None, **settings) -> tuple[np.ndarray, Command]:
    """Draw the four pictures of a command.

    Args:
        text: the prompt, flags allowed.
        progress: called with the number of steps (or tokens) done.
        settings: ``seed``, ``guidance``, ``steps``, ``model`` and so on, as the flags.

    Returns:
        Pictures (4, H, W, 3) uint8, and the command as understood.
    """
    from mjcourse.studio import draw

    command = parse(text, **settings)
    return draw.draw(command, lambda done, total, preview=None: progress and progress(done)), command


def imagine_command(text: str, out: Path, per_picture: bool = False, agreed: bool = False, **settings) -> None:
    """Write the grid of each command of a text to a PNG with its labels; name the words the model never saw.

    Args:
        text: what `expand` reads; of several commands, number k goes to ``out-k.png``.
        out: where to write; its name ends in .png.
        per_picture: whether to write each of the four pictures too, at their own size.
        agreed: whether to draw more commands than `needs_asking` lets pass.
        settings: as the flags.
    """
    commands = expand(text, **settings)  # a mistake is told before the models load
    if out.suffix.lower() != ".png":
        raise UserError(f"cannot write {out.name}: the file's name must end in .png.")
    if not out.parent.is_dir():
        raise UserError(f"cannot write {out.name}: there is no folder {out.parent}.")
    if needs_asking(commands) and not agreed:
        raise UserError(f"this text makes {len(commands)} grids of four pictures; add --yes to draw them all.")
    if unknown := unknown_words(", ".join(part.text for part in commands[0].parts)):
        print(describe_unknown(unknown), file=sys.stderr)
    for k, command in enumerate(commands, 1):
        path = out if len(commands) == 1 else out.with_stem(f"{out.stem}-{k}")
        write_grid(command, path, per_picture)
        print(f"{path}: {command}")


def write_grid(command: Command, path: Path, per_picture: bool = False) -> None:
    """Draw a command and write its captioned grid, and each picture where asked for, with their labels."""
    from rich.console import Console
    from rich.progress import Progress

    from mjcourse.studio import draw
    from mjcourse.studio.labels import export_png
    from mjcourse.viz import captioned_grid

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("learning your taste, once, and drawing" if command.p else "drawing")
        pictures = draw.draw(command, lambda done, total, *_: bar.update(task, completed=done, total=total))
    plain = {"seed": command.seed, "guidance": command.guidance, "steps": command.steps, "model": command.model}
    told = {name: value for name, value in {**plain, **command.settings()}.items() if value is not None}
    footer = f"AI生成 · AI-generated · mjcourse {command.model} · seed {command.seed} · guidance {command.guidance:g}"
    footer += f" · {command.steps} steps" if command.steps else ""
    page = captioned_grid(list(pictures), command.prompt, footer)
    how = {"command_text": str(command), "settings": {"prompt": command.prompt, **told}}
    how["kind"] = "edited" if command.init else "generated"
    export_png(page, path, **how, mark=False)  # the footer says it
    for i, picture in enumerate(pictures if per_picture else ()):
        export_png(picture, path.with_stem(f"{path.stem}-{i + 1}"), **how)
