"""A command's taste: which engine draws ``--stylize`` and ``--p``. Chapter 13.

`mjcourse.feedback.taste` has the equation. The taste of the house is a scripted rater's, who likes warm and contrasty
pictures (`mjcourse.feedback.gold`, "sunset"); nobody was asked. With ``--p`` it is the learner's own instead, as the
ratings are now: after more of them the same command draws other pictures.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache

from mjcourse.config import UserError
from mjcourse.feedback.personal import personal_taste
from mjcourse.feedback.taste import Taste, house_taste, moved
from mjcourse.studio.command import DEFAULTS, FLAGS, Command
from mjcourse.studio.engine import FlowEngine, PriorEngine

STYLIZE = FLAGS["stylize"]


def with_taste(engine: FlowEngine | PriorEngine, command: Command, report: Callable) -> FlowEngine | PriorEngine:
    """Return the engine that draws a command: its weights moved towards a taste by stylize / 1000 of the way.

    It is `engine` itself at ``--stylize 0``, for the prior, and without the flag where the house has no taste.

    Args:
        engine: with the base weights.
        command: what is drawn.
        report: called as ``report(done, total)`` while a taste of one's own is learnt; what it raises stops it.

    Raises:
        UserError: there are too few ratings, or no taste of the house for this flow though the command asks for one.
    """
    if command.model != "flow" or not command.stylize:
        return engine
    if command.p:
        how = DEFAULTS["flow"]
        taste = personal_taste(engine, how["guidance"], how["steps"], report)
    elif (taste := house_taste(engine)) is None:
        if command.stylize == STYLIZE.default:
            return engine
        raise UserError(
            "--stylize needs the taste of the house for this flow, and data/weights/taste.safetensors is missing or "
            "for another one: `git checkout -- data/weights`, or `mjcourse train taste`; or leave --stylize out."
        )
    return styled(engine, taste, command.stylize / STYLIZE.high)


@lru_cache(maxsize=4)
def styled(engine: FlowEngine, taste: Taste, strength: float) -> FlowEngine:
    """Return an engine that draws with weights moved towards a taste; the last few are kept."""
    made = copy.copy(engine)
    made.flow = moved(engine.flow, taste, strength)
    return made
