"""The command line: ``mjcourse COMMAND …``. Each command imports what it needs when it runs.

Exit status: 0 on success, 1 where a check found something wrong, 2 on a user's mistake (one line on
stderr: what is wrong, what is allowed, the nearest valid choice), 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from mjcourse import __version__, config
from mjcourse.config import UserError


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return ``" Did you mean X?"`` for the choice nearest to ``word``, or nothing."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are one line, a ``UserError``, and not a page of usage."""

    def __init__(self, command: Callable):
        self.name = command.__name__
        self.add = self.add_argument
        super().__init__(prog=f"mjcourse {self.name}", description=command.__doc__, allow_abbrev=False)

    def error(self, message: str):
        """Raise ``message`` as a user's mistake."""
        raise UserError(message.removeprefix("argument "))

    def read(self, words: list[str], aside: str = "") -> argparse.Namespace:
        """Parse ``words``; raise ``UserError`` with the nearest choice on the first wrong one."""
        args, extra = self.parse_known_args(words)
        if extra and extra[0].startswith("-"):
            known = [option for action in self._actions for option in action.option_strings]
            wrong = extra[0].split("=")[0]
            allowed = f"allowed are {', '.join(known)}.{nearest(wrong, known)}{aside}"
            raise UserError(f"{self.name} has no option {wrong}; {allowed}")
        if extra:
            raise UserError(f"{self.name} has no use for {extra[0]!r}; see mjcourse {self.name} --help.")
        return args


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``low`` to ``high`` for argparse."""
    allowed = f"from {low} to {high}" if high is not None else f"of {low} or more"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {allowed}")
        return value

    return read


def choose(kind: str, word: str | None, allowed: Iterable[str]) -> str:
    """Return ``word`` where it is one of ``allowed``; raise ``UserError`` with the nearest where not."""
    allowed = list(allowed)
    if word in allowed:
        return word
    wrong = f"{word!r} is no {kind}" if word else f"the {kind} is missing"
    raise UserError(f"{wrong}; allowed are {', '.join(allowed)}.{nearest(word or '', allowed)}")


# --- commands: each declares its words, parses them and runs ------------------------------------


def lab(words: list[str]) -> int:
    """open the course in JupyterLab; further words go to Jupyter (--no-browser, --port=8889)"""
    if words in (["-h"], ["--help"]):
        Parser(lab).print_help()
        return 0
    from importlib.util import find_spec

    chapter = "notebooks/00_welcome.ipynb"
    if not (config.ROOT / chapter).is_file():
        raise UserError(f"{chapter} is missing: restore it with `git checkout -- notebooks`.")
    if find_spec("jupyterlab") is None:
        raise UserError('JupyterLab is missing: pip install -c constraints.txt -e ".[test]"')
    # The chapter is the default address and not a file to open, so that the file browser shows the
    # whole course and the printed link leads to the chapter too.
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={config.ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/{chapter}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]  # containers; Jupyter refuses root otherwise
    here = os.path.dirname(sys.executable)  # so that `!mjcourse …` in a cell is this one
    environment = {**os.environ, "PATH": here + os.pathsep + os.environ.get("PATH", "")}
    return launch(command + words, environment)


def launch(command: list[str], environment: dict[str, str]) -> int:
    """Become ``command`` where the system can, so that Ctrl-C reaches it alone; else wait for it."""
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(command[0], command, environment)
    return subprocess.call(command, env=environment)


def imagine(words: list[str]) -> int:
    """draw four pictures of a prompt"""
    from mjcourse.studio.flags import FLAGS

    parser = Parser(imagine)
    parser.add("prompt", nargs="*", metavar="PROMPT", help="what to draw, in English or Chinese, in quotes")
    parser.add("-o", "--out", type=Path, default=Path("out.png"), metavar="FILE", help="picture [out.png]")
    parser.add("--per-picture", action="store_true", help="write each of the four as a file of its own too")
    parser.add("--yes", action="store_true", help="draw more than four grids without being asked")
    for flag in FLAGS.values():  # read and refused by the command language, inside the quotes or outside
        how = {"action": "store_const", "const": True} if flag.kind == "switch" else {"metavar": flag.name.upper()}
        names = [f"--{name}" for name in (flag.name, *flag.aliases)]
        parser.add(*names, dest=flag.name, help=f"{flag.meaning} ({flag.allowed})", **how)
    args = parser.read(words)
    prompt = " ".join(args.prompt)
    if not prompt.strip():
        raise UserError('the prompt is empty: mjcourse imagine "a red sun over the sea, sandy beach"')
    from mjcourse.studio.imagine import imagine_command

    settings = {name: getattr(args, name) for name in FLAGS}
    imagine_command(prompt, args.out, args.per_picture, args.yes, **settings)
    return 0


def train(words: list[str]) -> int:
    """train a stage of the model, or all in order; goes on where it stopped"""
    from mjcourse.training import stages

    parser = Parser(train)
    parser.add("stage", nargs="?", metavar="STAGE", help=f"{', '.join(stages.STAGES)}, or `all`, which is all in order")
    parser.add("--fresh", action="store_true", help="start over instead of resuming")
    parser.add("--steps", type=whole(1), metavar="N", help="training steps [the profile's]")
    parser.add("--seed", type=whole(0, config.SEED_MAX), default=0, metavar="N", help="of weights and batches [0]")
    parser.add("--out", type=Path, metavar="DIR", help="where to write [runs/]")
    args = parser.read(words)
    stage = choose("stage", args.stage, [*stages.STAGES, "all"])
    stages.train(stage, resume=not args.fresh, steps=args.steps, out=args.out, seed=args.seed)
    return 0


def evaluate(words: list[str]) -> int:
    """measure the models: how well pictures follow the prompt, what the encoders can do"""
    parser = Parser(evaluate)
    parser.add("stages", nargs="*", metavar="STAGE", help="flow, prior, cgan, cvae, cvae-emoji, clip, mood [all]")
    parser.add("--json", action="store_true", help="print JSON and nothing else")
    parser.add("-n", "--n", type=whole(1), metavar="N", help="number of prompts [2000]")
    args = parser.read(words)
    from mjcourse.evaluate import evaluate_command

    evaluate_command(args.json, args.n, args.stages)
    return 0


def describe(words: list[str]) -> int:
    """say what one would write to get a picture, by the model's own likelihood"""
    parser = Parser(describe)
    parser.add("image", nargs="?", type=Path, metavar="IMAGE", help="a picture file of any size")
    parser.add("--language", default="en", metavar="en|zh", help="of the captions [en]")
    parser.add("-n", "--count", type=whole(1), default=4, metavar="N", help="captions, the likeliest first [4]")
    parser.add("--json", action="store_true", help="print JSON and nothing else")
    args = parser.read(words)
    if args.image is None:
        raise UserError("the picture is missing: mjcourse describe photo.jpg")
    choose("language of captions", args.language, ["en", "zh"])
    from mjcourse.studio.inbox import to_frame

    picture = to_frame(args.image)  # a mistake is told before the models load
    from mjcourse.studio.describe import describe_command

    describe_command(picture, args.language, args.count, args.json)
    return 0


def check(words: list[str]) -> int:
    """run an exercise notebook, its code and all, and give the score"""
    parser = Parser(check)
    parser.add("notebook", nargs="?", type=Path, metavar="NOTEBOOK", help="such as exercises/02_vae/02_vae.ipynb")
    parser.add("--json", action="store_true", help="print JSON and nothing else")
    args = parser.read(words)
    from mjcourse.learn.score import check_command

    return check_command(args.notebook, args.json)


def verify(words: list[str]) -> int:
    """read a picture's labels, signature and watermark; say what is missing or altered"""
    parser = Parser(verify)
    parser.add("image", nargs="?", type=Path, metavar="IMAGE", help="a PNG, JPEG or WebP picture")
    parser.add("--json", action="store_true", help="print JSON and nothing else")
    args = parser.read(words)
    if args.image is None:
        raise UserError("the picture is missing: mjcourse verify out.png")
    from mjcourse.studio.verify import verify_command

    return verify_command(args.image, args.json)


def data(words: list[str]) -> int:
    """build the training scenes, or say what data there is"""
    parser = Parser(data)
    parser.add("action", nargs="?", metavar="build|info", help="draw and cache scenes, or say what there is")
    parser.add("--count", type=whole(1), metavar="N", help="build: number of scenes [the profile's]")
    parser.add("--seed", type=whole(0, config.SEED_MAX), default=0, metavar="N", help="build: seed [0]")
    parser.add("--size", type=whole(16, 1024), default=64, metavar="PX", help="build: side in pixels [64]")
    parser.add("--json", action="store_true", help="info: print JSON and nothing else")
    args = parser.read(words)
    action = choose("action of data", args.action, ["build", "info"])
    from mjcourse.data import store

    if action == "build":
        store.build_command(args.count, args.seed, args.size)
    else:
        store.info_command(args.json)
    return 0


def doctor(words: list[str]) -> int:
    """check this machine and the course's files, name what is missing and the remedy"""
    parser = Parser(doctor)
    parser.add("--json", action="store_true", help="print JSON and nothing else")
    args = parser.read(words)
    from mjcourse import doctor as checks

    return checks.main(args.json)


COMMANDS = {
    command.__name__: command for command in (lab, imagine, describe, train, evaluate, check, verify, data, doctor)
}


def dispatch(words: list[str]) -> int:
    """Run the command that ``words`` name; return its exit status."""
    name, *rest = words or ["--help"]
    if name in ("-h", "--help"):
        table = "\n".join(f"  {command:10}{run.__doc__}" for command, run in COMMANDS.items())
        print(f"mjcourse {__version__}: build your own miniature Midjourney\n\n{table}\n")
        print("More about one: mjcourse COMMAND --help")
        return 0
    if name == "--version":
        print(f"mjcourse {__version__}")
        return 0
    if name.startswith("-"):
        choose("option", name, ["--help", "--version"])
    return COMMANDS[choose("command", name, COMMANDS)](rest)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status; never a traceback for a user's mistake."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an old code page must not stop a Chinese caption
            stream.reconfigure(errors="replace")
    try:
        status = dispatch(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return status
    except UserError as error:
        print("mjcourse:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmjcourse: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mjcourse data info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a full disk, a folder that is not there, no right to write
        if error.strerror is None:
            raise
        print(f"mjcourse: {error.strerror}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
