"""An exercise, a learner's answer to it, and the verdict. What a chapter asks is in `mjcourse.learn.chapters`."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"


class Wrong(Exception):
    """The answer is wrong; the text says what about it, in a line for the learner."""


class NotAttempted(Exception):
    """There is no answer yet; the text says what is missing."""


@dataclass(frozen=True)
class Verdict:
    """What a check found: `RIGHT`, `WRONG` or `NOT_ATTEMPTED`, and the line for the learner."""

    state: str
    message: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise: what its heading says, its check, and three hints.

    The check takes the learner's `Answers` and a ``torch.Generator`` for its random inputs; it raises `Wrong` or
    `NotAttempted`, or returns. The hints are three paragraphs, from a first push to nearly all.
    """

    number: int
    title: str
    difficulty: int  # 1 to 3 stars
    minutes: int
    check: Callable[[Answers, object], None]
    hints: str

    @property
    def levels(self) -> list[str]:
        """The hints, each as one line."""
        return [" ".join(part.split()) for part in self.hints.strip().split("\n\n")]

    @property
    def heading(self) -> str:
        """The line above the exercise in its notebook."""
        stars = "★" * self.difficulty + "☆" * (3 - self.difficulty)
        return f"## Exercise {self.number} · {self.title} · {stars} · {self.minutes} minutes"


class Answers(Mapping):
    """A learner's functions by name, each wrapped in an `Answer`."""

    def __init__(self, namespace: Mapping[str, object]) -> None:
        self.namespace = namespace

    def __getitem__(self, name: str) -> Answer:
        if name not in self.namespace:
            raise NotAttempted(f"there is no `{name}` yet; run the cell that defines it.")
        function = self.namespace[name]
        if not callable(function):
            raise Wrong(f"`{name}` is no function any more; write `def {name}(…):` as in the exercise.")
        return Answer(name, function)

    def __iter__(self):
        return iter(self.namespace)

    def __len__(self) -> int:
        return len(self.namespace)


@dataclass(frozen=True)
class Answer:
    """A learner's function: what it raises becomes a message, and it may not change what it is given."""

    name: str
    function: Callable

    def __call__(self, *inputs, frozen: bool = True, **named):
        """Call it.

        Args:
            frozen: the function must leave the tensors among its inputs as they are.

        Raises:
            NotAttempted: it raises `NotImplementedError`, as the empty exercise does. Wrong: it raises anything else,
                or changes an input in place.
        """
        import torch

        tensors = [x for x in (*inputs, *named.values()) if isinstance(x, torch.Tensor)] if frozen else []
        before = [x.detach().clone() for x in tensors]
        try:
            result = self.function(*inputs, **named)
        except NotImplementedError:
            raise NotAttempted(
                f"`{self.name}` still raises NotImplementedError; put your code in place of that line."
            ) from None
        except (Exception, SystemExit) as error:
            raise Wrong(f"`{self.name}` raises {type(error).__name__}: {_told(error)}{self._line(error)}") from error
        for x, was in zip(tensors, before, strict=True):
            if x.shape != was.shape or not torch.equal(x.detach().nan_to_num(), was.nan_to_num()):
                raise Wrong(f"`{self.name}` changes a tensor that it was given; work on a copy, without `_` functions.")
        return result

    def _line(self, error: BaseException) -> str:
        """Return where in the learner's own code it happened."""
        own = getattr(getattr(self.function, "__code__", None), "co_filename", None)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
        return f" (line {lines[-1]} of your cell)" if lines else ""


def judge(exercise: Exercise, namespace: Mapping[str, object], seed: int) -> Verdict:
    """Check a learner's answer and return the verdict.

    Args:
        exercise: which.
        namespace: the learner's names, as the notebook has them.
        seed: of the random inputs; a right answer is right at any.
    """
    import torch

    from mjcourse.config import generator

    numbers = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float32)
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(seed)  # of what the answer draws without a generator
            exercise.check(Answers(namespace), generator(seed, exercise.number))
    except NotAttempted as missing:
        return Verdict(NOT_ATTEMPTED, str(missing))
    except Wrong as wrong:
        return Verdict(WRONG, str(wrong))
    finally:
        torch.set_default_dtype(numbers)
    return Verdict(RIGHT)


def _told(error: BaseException) -> str:
    """Return the first line of an error's text, cut where it is long."""
    try:
        line = (str(error).strip().splitlines() or ["(no text)"])[0]
    except Exception:
        line = "(no text)"
    return line if len(line) <= 200 else line[:199] + "…"
