"""Texts as the studio handles them: their typed flags, their unknown words, what can be left out. Chapter 13."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mjcourse.data.prompts import MAX_PROMPT, Unknown, clean_prompt, unknown_words
from mjcourse.studio.command import FLAGS, Command, _read, parse
from mjcourse.studio.expand import normal, permutations
from mjcourse.studio.flag import Value


def split(text: str) -> list[tuple[str, dict[str, Value]]]:
    """Return the prompt, and the flags that are typed, of each command that a text stands for.

    Raises:
        UserError: what `mjcourse.studio.command.expand` refuses of the text; prompts may be empty or unknown here.
    """
    return [_read(one) for one in permutations(normal(text))]


def typed(text: str) -> set[str]:
    """Return the names of the flags that a text has anywhere."""
    return {name for _, flags in split(text) for name in flags}


def beside(text: str, settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings that a text does not have itself: what is typed counts more."""
    there = typed(text)
    return {name: value for name, value in settings.items() if name not in there}


def unknown(text: str) -> list[Unknown]:
    """Return the words of a text, without its flags, that the model never saw, each once."""
    prompts = dict.fromkeys(prompt.strip() for prompt, _ in split(text))
    return list({item.word: item for prompt in prompts if prompt for item in unknown_words(prompt)}.values())


def influences(text: str) -> list[tuple[str, float]]:
    """Return each wanted word of a text, without its flags, with its influence; 1 is as much as all together."""
    from mjcourse.studio.describe import influence

    return [pair for part in parse(text).parts if part.weight > 0 for pair in influence(part.text)]


def shortened(text: str) -> str:
    """Return a text without the words that have little influence; its flags and weights stay."""
    from mjcourse.studio.describe import shorten

    command, flags = parse(text), split(text)[0][1]
    said = command.parts[: len(command.parts) - len(command.no)]
    if "::" in command.prompt:
        prompt = " ".join(f"{shorten(part.text)}::{part.weight:g}" for part in said)
    else:
        prompt = shorten(command.prompt)
    short = Command(clean_prompt(prompt), seed=0)
    return " ".join([str(short).removesuffix(" --seed 0"), *(_spelled(name, value) for name, value in flags.items())])


def _spelled(name: str, value: Value) -> str:
    return f"--{name} {FLAGS[name].spell(value)}".rstrip()


def joined(captions: Sequence[str]) -> str:
    """Return one prompt out of several, each cut to its share where they are too long together."""
    share = MAX_PROMPT // len(captions) - len(", ")
    if len(", ".join(captions)) > MAX_PROMPT:
        captions = [caption[:share].rpartition(" ")[0] or caption[:share] for caption in captions]
    return ", ".join(captions)
