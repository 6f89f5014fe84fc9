"""An exercise of chapter 13: a rule for the parser, ranges in braces, with refusals."""

from __future__ import annotations

import re
import sys
from decimal import Decimal

import torch

from mjcourse.config import UserError
from mjcourse.learn.exercise import Answer, Answers, Wrong
from mjcourse.studio.expand import MAX_JOBS, permutations

NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
RANGE = re.compile(rf"(?<!\\)\{{({NUMBER})\.\.({NUMBER}) by ({NUMBER})\}}")
PATIENCE = 200_000  # steps of Python that a refusal may take; writing out a million values takes more


class Endless(SystemExit):
    """Raised in an answer that goes on and on; no `Exception`, so that ``except Exception`` lets it pass."""


def values(low: Decimal, high: Decimal, step: Decimal) -> list[str]:
    """Return the numbers of a range as one types them."""
    return [spelled(low + k * step) for k in range(int((high - low) / step) + 1)]


def spelled(number: Decimal | float) -> str:
    """Return a number as one types it: 1 and not 1.0."""
    text = f"{number:f}" if isinstance(number, Decimal) else repr(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def written(text: str, spell=values, rule: re.Pattern = RANGE, count: int = 0) -> str:
    """Return a text whose ranges are groups, by the reference or by a mistake."""

    def group(match):
        return "{" + ", ".join(spell(*map(Decimal, match.groups()))) + "}"

    return rule.sub(group, text, count=count)


def check_ranges(answers: Answers, g: torch.Generator) -> None:
    """`ranges(text)` → the text with each ``{low..high by step}`` written out; a UserError where it is none."""
    ranges = answers["ranges"]

    def drawn(low, high):
        return int(torch.randint(low, high, (), generator=g))

    def span(second, unit):  # of 3 or 4 values, the second of which ends in 0, or in .0
        step = drawn(2, 9)
        numbers = (Decimal(n) * unit for n in (second - step, second + step * drawn(1, 3), step))
        return "{{{}..{} by {}}}".format(*map(spelled, numbers))

    low, high = -3 * drawn(1, 4), 3 * drawn(1, 4)
    whole, tenths = span(10 * drawn(11, 30), Decimal(1)), span(-10 * drawn(5, 15), Decimal("0.1"))
    for text in (
        f"a {{red, blue}} house --chaos {whole}", f"a house {{{low}..{high} by 3}}",
        f"fog::{tenths} a {{thin, \\{{1..9 by 2}} tent --weird {whole}",
        "{a, b} {1..2} --seed 5 --iw {0.1..0.3 by 0.1}", "a {red, {dark, light} blue} house, 3 by 4 --ar {3:2}",
    ):  # fmt: skip
        _same_texts(_text(ranges(text)), text)
    for group, why, says in (
        (f"{{{9 * drawn(2, 9)}..{drawn(3, 9)} by 3}}", "runs downwards", "low must be below high"),
        ("{7..7 by 1}", "goes nowhere", "low must be below high"),
        ("{0..100 by 30}", "misses its high end", "nothing is rounded: low + a whole number of steps must be high"),
        ("{0..10 by 0}", "has a step of 0", "it would never arrive"),
        ("{0..10 by -5}", "has a step below 0", "it would never arrive"),
        (f"{{1..{MAX_JOBS + 1} by 1}}", f"has {MAX_JOBS + 1} values", f"a text may make {MAX_JOBS} commands"),
        (
            f"{{0..{5 * drawn(10**6, 2 * 10**6)} by 5}}",
            "has over a million values",
            f"a text may make {MAX_JOBS} commands",
        ),
    ):
        _refused(ranges, f"a tent --chaos {group} --seed 1", group, why, says)
    if len(permutations(_text(ranges(f"a --seed {{1..{MAX_JOBS} by 1}}")))) != MAX_JOBS:
        raise Wrong(f"a range of {MAX_JOBS} values is allowed, and must be written out whole.")
    for group, why in (
        ("{0..10by5}", "the spaces are missing"),
        ("{0 .. 10 by 5}", "other spaces"),
        ("{ 0..10 by 5}", "other spaces"),
        ("{0..10  by 5}", "other spaces"),
        ("{.5..1 by .5}", "a number has digits before its point"),
        ("{+1..2 by 1}", "a number has no plus"),
    ):
        _stays(ranges, f"a {{red, blue}} tent --chaos {group}", group, why)


def _text(said: object) -> str:
    if type(said) is not str:
        raise Wrong(f"`ranges` must return a text; yours returns {'nothing' if said is None else type(said).__name__}.")
    return said


def _same_texts(got: str, text: str) -> None:
    """Compare what a text became with the reference, by the commands that both stand for."""
    want = written(text)

    def same(made):
        try:
            return got == made or permutations(got) == permutations(made)
        except UserError:
            return False

    if same(want):
        return
    loose = re.compile(RANGE.pattern.removeprefix(r"(?<!\\)"))

    def binary(low, high, step):
        return [repr(float(low) + k * float(step)) for k in range(int((high - low) / step) + 1)]

    def added(low, high, step):
        found = [float(low)]
        while len(found) < int((high - low) / step) + 1:
            found.append(found[-1] + float(step))
        return found

    mistakes = {
        "the high end belongs to a range; yours stops before it.": written(text, lambda *r: values(*r)[:-1]),
        "the low end belongs to a range; yours begins after it.": written(text, lambda *r: values(*r)[1:]),
        "the step is left out: the values are `step` apart.": (
            written(text, lambda a, b, s: [spelled(a + k) for k in range(int(b - a) + 1)]),
            written(text, lambda a, b, s: values(a, b, Decimal(1))),
        ),
        "only the first range is written out; a text may have several.": written(text, count=1),
        r"\{ is a character and begins no group: what stands after it stays.": written(text, rule=loose),
        "only whole numbers are read; 0.5 is a number, too.": written(text, rule=re.compile(
            RANGE.pattern.replace(r"(?:\.[0-9]+)?", ""))),
        "a number may begin with a minus: {-1..1 by 0.5} is a range.":
            written(text, rule=re.compile(RANGE.pattern.replace("-?", ""))),
        "nothing was written out.": text,
        "the braces are gone; a range becomes a group.": re.sub(
            RANGE, lambda m: ", ".join(values(*map(Decimal, m.groups()))), text),
        "numbers are to be written as one types them: 3, not 3.0 or 3.00.": (
            written(text, lambda *r: [repr(float(v)) for v in values(*r)]),
            written(text, lambda a, b, s: [str(a + k * s) for k in range(int((b - a) / s) + 1)]),
        ),
        "the 0 of 190 is gone: strip zeros after a point only.": written(
            text, lambda a, b, s: [f"{a + k * s:f}".rstrip("0").rstrip(".") for k in range(int((b - a) / s) + 1)]),
        "tenths are not exact in binary, so 0.1 + 0.2 is not 0.3: count in `Decimal`, or round.": (
            written(text, binary), written(text, lambda *r: [spelled(float(v)) for v in binary(*r)]),
            written(text, lambda *r: [repr(v) for v in added(*r)]), written(text, lambda *r: map(spelled, added(*r))),
        ),
    }  # fmt: skip
    for message, made in mistakes.items():
        if any(same(one) for one in (made if isinstance(made, tuple) else (made,))):
            raise Wrong(message)
    if re.search("[0-9]E", got):
        raise Wrong('numbers are to be written as one types them: 190, not 1.9E+2; f"{value:f}" does it.')
    if got.count("--") != want.count("--") or re.sub(r"\{[^}]*\}", "", got) != re.sub(r"\{[^}]*\}", "", want):
        raise Wrong(f"what is no range stays as it is, to the letter: {text!r} becomes {got[:120]!r}.")
    raise Wrong(f"{text!r} must become {want!r}; yours is {got[:120]!r}.")


def _stays(ranges: Answer, text: str, group: str, why: str) -> None:
    """Check that a text with a group that is no range comes back as it is."""
    try:
        got = _text(ranges(text))
    except Wrong as wrong:
        if not isinstance(wrong.__cause__, UserError):
            raise
        raise Wrong(f"{group} is no range ({why}) and must stay as it is; yours refuses it.") from None
    if got != text:
        raise Wrong(f"{group} is no range ({why}) and must stay as it is; yours makes of {text!r}: {got[:80]!r}.")


def _refused(ranges: Answer, text: str, group: str, why: str, says: str) -> None:
    """Check that a text is refused, in time, in one line that names the group."""
    try:
        said = _patiently(ranges, text)
    except Wrong as wrong:
        refusal = wrong.__cause__
    else:
        raise Wrong(f"{group} {why} and must be refused, {says}; yours becomes {str(said)[:60]!r}.")
    if isinstance(refusal, Endless):
        raise Wrong(f"{group} keeps you busy for too long: it {why}, {says}; judge it before you write it out.")
    if not isinstance(refusal, UserError):
        raise Wrong(f"{group} {why}: raise a UserError with a line for the user; yours is {type(refusal).__name__}.")
    line = str(refusal)
    if group not in line:
        raise Wrong(f"the refusal must name the group as it was typed, {group}; yours says {line[:100]!r}.")
    if "\n" in line or len(line) < len(group) + 15:
        raise Wrong(f"a refusal is one line: what is wrong, what is allowed, what to do; yours says {line[:100]!r}.")


def _patiently(ranges: Answer, text: str) -> object:
    """Call an answer, and stop it after `PATIENCE` steps: a step of 0 makes many a loop endless."""
    steps, before = 0, sys.gettrace()

    def step(frame, event, arg):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += 1
        if steps > PATIENCE:
            raise Endless
        return step

    sys.settrace(step)
    try:
        return ranges(text)
    finally:
        sys.settrace(before)
