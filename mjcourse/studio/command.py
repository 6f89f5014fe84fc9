"""The command language: what a person types becomes a `Command`, all checked, or is refused in one line. Chapter 13.

One parser serves the notebook's widget, the command line and the exercises. The flags are the table of
`mjcourse.studio.flags`, weights are read in `mjcourse.studio.parts`, permutations in `mjcourse.studio.expand`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from functools import partial

from mjcourse.config import SEED_MAX, UserError
from mjcourse.data.prompts import CJK, clean_prompt
from mjcourse.studio.expand import check_count, escape, normal, permutations
from mjcourse.studio.flag import DEFAULTS, Flag, Value, shown
from mjcourse.studio.flags import FLAGS, find_flag, flags_table, is_flag
from mjcourse.studio.parts import Part, read_parts

__all__ = ["ASK_ABOVE", "DEFAULTS", "FLAGS", "GRID", "SEED_MAX", "Command", "Part",
           "expand", "flags_table", "needs_asking", "parse"]  # fmt: skip

GRID = 4  # pictures of a command; they take seed, seed + 1, seed + 2 and seed + 3
ASK_ABOVE = 4  # more commands than this of one text, and the caller asks first
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}
CHOICE_WORDS = 3  # the longest choice: 8-bit pixel art

# Where a flag begins: at the start of a word, or right after Chinese, or, with two hyphens, after punctuation.
# A long dash is one only before a Latin letter: ——大海 is text, and so are dashes that stand alone.
_MARK = re.compile(r"--[-—–]*(?=\w)|[—–][-—–]*(?=[A-Za-z])")
_GLUED = rf"""(?<=[\u3001-\u303f{CJK}])(?=(?:--|[—–])[-—–]*[A-Za-z])|(?<=[,.!?;:)\]}}"”’])(?=--[A-Za-z])"""
_GLUED_FLAG = re.compile(_GLUED)
_WORD = re.compile(rf"[^ ]+?(?= |\Z|{_GLUED})")
_ALMOST = re.compile(r"(?:[^-—–]--|\A-(?=..))([A-Za-z]+)\Z")  # sea--seed, or -seed
_NUMBERS = re.compile(r"[-+.,:]*[0-9%][0-9.,:%]*")


@dataclass(frozen=True)
class Command:
    """A prompt and its settings, all checked: what one grid of `GRID` pictures is made from.

    Fields are the flags of `FLAGS`, in their own types; None stands for the default, as without the flag. What an
    engine takes none of stays None. Without a seed, one is drawn. ``str(command)`` is what to type for the same
    pictures.

    Args:
        prompt: without flags, weights as typed (``a::2 b::-0.5``).

    Attributes:
        parts: the parts of the prompt and of ``no`` with their weights.

    Raises:
        UserError: a value that its flag does not allow, a flag that the engine does not take or that needs another,
            or a prompt that `clean_prompt` or `read_parts` refuses.
    """

    prompt: str
    seed: int | None = None
    guidance: float | None = None
    steps: int | None = None
    model: str | None = None
    no: tuple[str, ...] | str | None = None
    ar: str | None = None
    chaos: int | None = None
    stylize: int | None = None
    p: bool | None = None
    weird: int | None = None
    style: str | None = None
    tile: bool | None = None
    stop: int | None = None
    quality: float | None = None
    init: str | None = None
    iw: float | None = None
    sref: str | None = None
    sw: int | None = None
    parts: tuple[Part, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        keep = partial(object.__setattr__, self)
        model = self._settled(FLAGS["model"], FLAGS["model"].default)
        keep("prompt", clean_prompt(self.prompt))
        for name in SETTINGS:
            keep(name, self._settled(FLAGS[name], model))
        if self.seed is None:
            keep("seed", secrets.randbelow(SEED_MAX + 1))
        said = clean_prompt(" ".join((self.prompt, *self.no)))  # together no longer than a prompt may be
        for word in said.split(" "):
            if _MARK.match(word) or _GLUED_FLAG.search(word) or ((m := _ALMOST.search(word)) and is_flag(m[1])):
                raise UserError(f"{shown(word)} in the prompt looks like a flag; write a space and -- before its name.")
        keep("parts", read_parts(self.prompt, self.no))

    def _settled(self, flag: Flag, model: str) -> Value:
        """The value of a flag that an engine is to take."""
        given, alone = getattr(self, flag.name), flag.needs and getattr(self, flag.needs) is None
        if given is None:
            return None if alone else flag.default_for(model)
        value = flag.value(given)
        if model not in flag.engines and value != flag.harmless:
            raise UserError(f"--{flag.name} is the flow model's; {flag.lacking}. Leave it out.")
        if alone:
            raise UserError(f"--{flag.name} means nothing without --{flag.needs}: add --{flag.needs} or leave it out.")
        return value

    def settings(self) -> dict[str, Value]:
        """Return the settings that are not as without their flag, and the seed, in the order of `FLAGS`."""
        values = {name: getattr(self, name) for name in SETTINGS}
        return {name: v for name, v in values.items() if v is not None and v != FLAGS[name].default_for(self.model)}

    def replace(self, **changes: Value) -> Command:
        """Return a copy with some settings changed; None sets one back to its default, and draws a new seed.

        What was at its default follows the new engine's, and a weight goes with its picture.
        """
        gone = {name for name in changes if changes[name] is None}
        kept = {name: value for name, value in self.settings().items() if FLAGS[name].needs not in gone}
        return Command(**{"prompt": self.prompt, **kept, **changes})

    def __str__(self) -> str:
        """Return what to type to get the same pictures again."""
        flags = (f"--{name} {FLAGS[name].spell(value)}".rstrip() for name, value in self.settings().items())
        return escape(" ".join([self.prompt, *flags]))


SETTINGS = tuple(name for name in FLAGS if name != "repeat")  # a command is one; `expand` repeats


def parse(text: str, **settings: Value) -> Command:
    """Read a prompt with flags inside (``a lighthouse --seed 5``) and settings given beside it.

    Args:
        text: of one command.
        settings: as the flags, each in its own type or as text; they win over the same flags inside the text.

    Raises:
        UserError: an unknown flag, one that stands twice, a value that it does not allow, a text that makes more than
            one command, and what `Command` refuses.
    """
    commands = expand(text, **settings)
    if len(commands) > 1:
        raise UserError(
            f"this text makes {len(commands)} commands, by {{…}} or --repeat: expand(text) makes them all, "
            r"parse(text) reads one; write \{ for a brace in the prompt."
        )
    return commands[0]


def expand(text: str, **settings: Value) -> list[Command]:
    """Return all the commands that a text stands for: its permutations ``{a, b}``, each repeated ``--repeat`` times.

    With a seed, all permutations start from it, and their repeats take seed, seed + 4, seed + 8 … (a grid's four
    pictures take the numbers between), going on from 0 after `SEED_MAX`. Without one, each command draws its own.

    Args:
        text: what was typed.
        settings: as for `parse`, for all commands alike.

    Returns:
        1 to `MAX_JOBS` commands; whether to ask before making them, `needs_asking` says.

    Raises:
        UserError: too many commands, said with their number, and what `parse` refuses.
    """
    beside: dict[str, Value] = {}
    for name, given in settings.items():
        if given is not None:
            _put(beside, flag := find_flag(name), flag.value(given))
    read = [(prompt, found | beside) for prompt, found in map(_read, permutations(normal(text)))]
    check_count(sum(found.get("repeat", 1) for _, found in read))
    commands = []
    for prompt, found in read:
        repeat, seed = found.pop("repeat", 1), found.pop("seed", None)
        for turn in range(repeat):
            own = None if seed is None else (seed + GRID * turn) % (SEED_MAX + 1)
            commands.append(Command(prompt, own, **found))
    return commands


def needs_asking(commands: list[Command]) -> bool:
    """Say whether a person should be asked before so many commands are drawn."""
    return len(commands) > ASK_ABOVE


def _read(text: str) -> tuple[str, dict[str, Value]]:
    """The prompt and the flags of one command's text in normal form."""
    said, found = [], {}
    while text:
        word, text = _word(text)
        if _MARK.match(word):
            flag = find_flag(word)
            given, text = _take(flag, text)
            _put(found, flag, flag.value(given))
            _refuse_second_value(flag, _word(text)[0])
        else:
            said.append(word)
    return " ".join(said), found


def _put(found: dict[str, Value], flag: Flag, value: Value) -> None:
    if flag.name in found:
        join = "join them with commas" if flag.kind == "words" else "keep one"
        raise UserError(f"--{flag.name} stands there twice, and which one counts cannot be guessed: {join}.")
    found[flag.name] = value


def _word(text: str) -> tuple[str, str]:
    """The first word of a text and what follows; a flag that is glued to a word is one of its own."""
    match = _WORD.match(text)
    return (match[0], text[match.end() :].lstrip(" ")) if match else ("", "")


def _take(flag: Flag, text: str) -> tuple[str | bool, str]:
    """What stands after a flag, as typed, and the text after that."""
    if flag.kind == "words":
        given = []
        while text and not _MARK.match(text):
            word, text = _word(text)
            given.append(word)
        return " ".join(given), text
    if flag.kind == "switch":
        return True, text
    if flag.kind in ("image", "choice") and text[:1] in QUOTES:
        return _quoted(flag, text)
    given, rest = _word(text)
    if flag.kind == "choice":  # of several words, maybe: paper cut
        longer, after = given, rest
        for _ in range(CHOICE_WORDS - 1):
            word, after = _word(after)
            if not word or _MARK.match(word):
                break
            longer += f" {word}"
            if flag.find(longer) is not None:
                given, rest = longer, after
    return given, rest


def _refuse_second_value(flag: Flag, word: str) -> None:
    """Refuse ``--seed 5 000`` and ``--tile on``, whose second word would else be taken for one of the prompt."""
    if _NUMBERS.fullmatch(word) or (flag.kind == "switch" and word.lower() in ("true", "false", "on", "off")):
        takes = "no value" if flag.kind == "switch" else "one value, without spaces"
        raise UserError(f"--{flag.name} takes {takes}, and {shown(word)} follows; write the prompt before the flags.")


def _quoted(flag: Flag, text: str) -> tuple[str, str]:
    given, closed, rest = text[1:].partition(QUOTES[text[0]])
    if not closed or (rest and rest[0] != " " and not _MARK.match(rest)):
        raise UserError(f"--{flag.name} has a quote that does not close, or no space after it: {shown(text)}.")
    return given, rest.lstrip(" ")
