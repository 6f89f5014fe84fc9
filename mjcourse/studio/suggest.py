"""Words to put into a prompt: by what they name, and those that what is being typed may become. Chapter 13."""

from __future__ import annotations

import re
from functools import cache

from mjcourse.data import words as w
from mjcourse.data.prompts import CJK, known_zh, language_of
from mjcourse.studio.command import _MARK

TOPICS = {  # what a prompt may name, and its table in `mjcourse.data.words`
    "things": "OBJECT",
    "colours": "COLOR",
    "ground": "GROUND",
    "water": "WATER",
    "far away": "BACKGROUND",
    "sun, moon": "BODY",
    "time": "TIME",
    "weather": "WEATHER",
    "mood": "MOOD",
    "style": "STYLE",
    "places": "PLACE",
}
ENGLISH_LINKS = (" a", " an", " the", " one", " two", " three", " and", " with", " of", " in", " on", " by", " near")
SHORTEST = 2  # letters of an English word from which on it is completed


@cache
def topic_words(topic: str, language: str) -> dict[str, tuple[str, ...]]:
    """Return the words of a topic: for each value the most ordinary one → all of them.

    Args:
        topic: one of `TOPICS`.
        language: ``en`` or ``zh``.
    """
    table = getattr(w, f"{language.upper()}_{TOPICS[topic]}")
    plain = (tuple(dict.fromkeys(t if isinstance(t, str) else t[0] for t in said)) for said in table.values())
    return {said[0]: said for said in plain}


@cache
def _all_words(language: str) -> tuple[str, ...]:
    """All words of all topics, the most ordinary of each value before the others."""
    tables = [topic_words(topic, language) for topic in TOPICS]
    first = [word for table in tables for word in table]
    every = first + [word for table in tables for said in table.values() for word in said]
    return tuple(dict.fromkeys(word.removeprefix("a ") for word in every))


def split_flags(text: str) -> tuple[str, str]:
    """Return the words of a text up to its first flag, and the rest."""
    found = re.search(rf"(?:^|(?<=[\s{CJK}]))(?:{_MARK.pattern})", text)
    at = found.start() if found else len(text)
    return text[:at], text[at:]


@cache
def _joined(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words that belong to what comes after them, and words that belong to what stands before them."""
    colours, places = (tuple(topic_words(topic, language)) for topic in ("colours", "places"))
    return (tuple(f" {c}" for c in colours) + ENGLISH_LINKS, places) if language == "en" else (colours + places, ())


def add_word(text: str, word: str) -> str:
    """Return a text with a word at the end of its prompt, after a comma where it does not belong to what is there."""
    prompt, flags = split_flags(text)
    prompt, language = prompt.strip(), language_of(word)
    ahead, behind = _joined(language)
    joined = not prompt or prompt[-1] in ",，、{:的" or f" {prompt}".lower().endswith(ahead) or word in behind
    comma = "" if joined else "，" if language == "zh" else ","
    space = " " if prompt and language == "en" else ""
    return f"{prompt}{comma}{space}{word}" + (f" {flags.strip()}" if flags else "")


def replace_word(text: str, word: str, better: str) -> str:
    """Return a text with the first occurrence of a word replaced by a better one, in large letters or small."""
    edges = "" if language_of(word) == "zh" else r"\b"
    return re.sub(f"{edges}{re.escape(word)}{edges}", lambda _: better, text, count=1, flags=re.IGNORECASE)


def completions(text: str, count: int = 8) -> list[str]:
    """Return known words that begin like the end of a prompt; none after a space or among the flags."""
    prompt, flags = split_flags(text)
    fragment = "" if flags else _fragment(prompt)
    language = language_of(fragment) if fragment else "en"
    for start in range(len(fragment) if language == "zh" else 1):  # Chinese has no spaces: the longest ending counts
        part = fragment[start:].casefold()
        if language == "zh" and len(part) > 1 and part in known_zh()[0]:
            return []  # 大海 is whole: its last character begins no other word
        if found := [word for word in _all_words(language) if part and word.startswith(part) and word != part]:
            return found[:count]
    return []


def complete(text: str, word: str) -> str:
    """Return a text whose unfinished last word is replaced by one of `completions`."""
    fragment = _fragment(text)
    for start in range(len(fragment)):
        if word.startswith(fragment[start:].casefold()):
            return text[: len(text) - len(fragment) + start] + word
    return add_word(text, word)


def _fragment(prompt: str) -> str:
    """The unfinished word at the end of a prompt, empty where there is none."""
    return re.search(rf"(?:[{CJK}]+|(?<![\w'’-])[A-Za-z-]{{{SHORTEST},}})?\Z", prompt)[0]
