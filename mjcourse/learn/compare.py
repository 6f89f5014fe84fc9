"""What checks compare with: plain copies of an answer, references, and the values that usual mistakes give.

Nothing here trusts an answer's own ``==``, ``-`` or ``float``: a value is first copied into a plain tensor, and only
if its type is exactly one that can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from mjcourse.learn.exercise import Wrong

NUMBERS = (int, float, np.float32, np.float64, np.int64)
Value = torch.Tensor | Callable[[], torch.Tensor]


def tensor_of(value: object, what: str) -> torch.Tensor:
    """Return a number, array or tensor as a plain float64 tensor of its own, without a gradient.

    Raises:
        Wrong: it is something else, and the message names it `what`.
    """
    kind = type(value)
    try:
        if kind in (torch.Tensor, torch.nn.Parameter) and value.layout == torch.strided:
            copy = value.detach()
        elif kind is np.ndarray and value.dtype.kind in "fiu":
            copy = torch.from_numpy(np.array(value, dtype=np.float64))
        elif kind in NUMBERS:
            copy = torch.tensor(float(value), dtype=torch.float64)
        elif value is None:
            raise Wrong(f"{what} is None; is the `return` missing?")
        else:
            raise Wrong(f"{what} must be a tensor or a number, not {kind.__name__}.")
        if copy.dtype == torch.bool or copy.is_complex():
            raise Wrong(f"{what} must hold real numbers, not {copy.dtype}.")
        return copy.to("cpu", torch.float64, copy=True)
    except (RuntimeError, NotImplementedError, OverflowError) as error:  # no data behind it, 10**400
        raise Wrong(f"{what} cannot be read as numbers: {type(error).__name__}.") from None


def close(got: torch.Tensor, want: torch.Tensor, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Return whether two plain tensors have the same shape and nearly the same values; nan is like nan."""
    want = want.detach().to(got)
    return got.shape == want.shape and torch.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)


def expect(
    value: object, want: torch.Tensor, what: str, mistakes: Mapping[str, Value | Sequence[Value]] | None = None,
    rtol: float = 1e-4, atol: float = 1e-5,
) -> None:  # fmt: skip
    """Compare an answer with the reference, and where it differs say which mistake it is.

    Args:
        value: what the learner's function returned.
        want: the right value.
        what: its name in messages, such as "the KL".
        mistakes: message → the value, or values, that this mistake gives, or functions that make them.
        rtol, atol: relative and absolute tolerance.

    Raises:
        Wrong: with the message of the first mistake that gives this value; else with shape, nan or largest difference.
    """
    got = tensor_of(value, what)
    if close(got, want, rtol, atol):
        return
    for message, made in (mistakes or {}).items():
        for one in made if isinstance(made, tuple | list) else (made,):
            if close(got, one() if callable(one) else one, rtol, atol):
                raise Wrong(message)
    if got.shape != want.shape:
        raise Wrong(f"{what} must have shape {tuple(want.shape)}; yours has {tuple(got.shape)}.")
    if not got.isfinite().all():
        raise Wrong(f"{what} holds {'nan' if got.isnan().any() else 'inf'}.")
    far = int((got - want.detach().to(got)).abs().argmax()) if got.numel() else 0
    raise Wrong(
        f"{what} is wrong: for one random input it is {got.flatten()[far]:.4g} where the reference gives "
        f"{want.detach().flatten()[far]:.4g}."
    )


def expect_choices(
    said: object, right: Mapping[str, str], options: Sequence[str], why: Mapping[tuple[str, str], str]
) -> None:
    """Check a question with fixed answers: a dictionary of things and what each of them is.

    Args:
        said: what the learner's function returned.
        right: thing → its answer.
        options: all that may be said.
        why: (thing, wrong answer) → what speaks against it; (thing, "") where nothing else fits.

    Raises:
        Wrong: the form is wrong, or at least one answer; the message tells how many are right and about the first.
    """
    form = f"return a dictionary with the keys {', '.join(right)}"
    if type(said) is not dict or not all(type(x) is str for pair in said.items() for x in pair):
        raise Wrong(f"{form}, each with one of the words {', '.join(options)}.")
    if set(said) != set(right):
        raise Wrong(f"{form}; yours has {', '.join(said) or 'none'}.")
    for thing, answer in said.items():
        if answer not in options:
            raise Wrong(f"{thing}: {answer!r} is none of the words {', '.join(options)}.")
    wrong = [thing for thing in right if said[thing] != right[thing]]
    if wrong:
        first, good = wrong[0], len(right) - len(wrong)
        reason = why.get((first, said[first])) or why[first, ""]
        raise Wrong(f"{good} of {len(right)} are right. {first} is not {said[first]}: {reason}")


def number_of(value: object, what: str) -> float:
    """Return an answer that must be one finite number.

    Raises:
        Wrong: it is something else.
    """
    got = tensor_of(value, what)
    if got.numel() != 1:
        raise Wrong(f"{what} must be one number; yours has shape {tuple(got.shape)}.")
    if not math.isfinite(got.item()):
        raise Wrong(f"{what} is {got.item()}; it must be finite.")
    return got.item()


def pair_of(value: object, what: str) -> tuple:
    """Return an answer that must be a tuple or list of two.

    Raises:
        Wrong: it is something else.
    """
    if type(value) not in (tuple, list) or len(value) != 2:
        raise Wrong(f"{what} must be two values, `return first, second`; yours is {type(value).__name__}.")
    return tuple(value)
