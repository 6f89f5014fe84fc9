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
UNKNOWN_FAULT = (  # where a mended step does something else, and it is none of the known faults
    "this differs from the right step in what none of the three faults explains: compare line by line with "
    "`broken_step`. Three of its lines change; all else does the same as before."
)
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


def whole_numbers(value: object, what: str) -> None:
    """Refuse a tensor or array of floats where something is to be looked up with it.

    Raises:
        Wrong: it is of another type than whole numbers, and the message names it `what`.
    """
    if type(value) is np.ndarray:
        value = torch.from_numpy(value)
    if type(value) is not torch.Tensor or value.is_floating_point():
        kind = str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")
        raise Wrong(f"{what} are of type {kind}; to look something up with them they must be whole numbers: `.long()`.")


def close(got: torch.Tensor, want: torch.Tensor, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Return whether two plain tensors have the same shape and nearly the same values; nan is like nan."""
    want = want.detach().to(got)
    return got.shape == want.shape and torch.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)


def matches(got: torch.Tensor, made: Value | Sequence[Value], rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Return whether a plain tensor is close to a value, or to one of several."""
    each = made if isinstance(made, tuple | list) else (made,)
    return any(close(got, one() if callable(one) else one, rtol, atol) for one in each)


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
        if matches(got, made, rtol, atol):
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
        raise Wrong(
            f"{good} of {len(right)} {'is' if good == 1 else 'are'} right. {first} is not {said[first]}: {reason}"
        )


def faults_left(count: int, first: str) -> str:
    """Return the message where some of a program's three faults are left: how many, and what the first of them is."""
    left = {1: "1 of the three faults is", 2: "2 of the three faults are", 3: "all three faults are"}[count]
    return f"{left} left: {first}"


def expect_both(
    value: object, want: torch.Tensor, names: tuple[str, str],
    mistakes: Mapping[str, Value | Sequence[Value]] | None = None,
) -> None:  # fmt: skip
    """Compare an answer that is two numbers as `expect` does; where no mistake fits, tell which of the two is wrong.

    Args:
        value: what the learner's function returned.
        want: the right numbers, (2,).
        names: of the two in messages, such as "the accuracy" and "the floor".
        mistakes: message → the numbers, (2,), that this mistake gives.

    Raises:
        Wrong: with the message of the first mistake that gives these numbers; else about the first that is wrong.
    """
    both = pair_of(value, "what it returns")
    got = [tensor_of(one, name) for one, name in zip(both, names, strict=True)]
    if all(one.numel() == 1 for one in got):
        pair = torch.cat([one.flatten() for one in got])
        if close(pair, want):
            return
        for message, made in (mistakes or {}).items():
            if matches(pair, made):
                raise Wrong(message)
    for one, right, name in zip(got, want, names, strict=True):
        expect(one.reshape(()) if one.numel() == 1 else one, right, name)


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


def missed(score: float, limit: float, places: int = 3) -> str:
    """Return a score that has missed its limit, rounded away from it, so that it never reads as if it had not."""
    unit = 10**places
    rounded = (math.ceil if score > limit else math.floor)(score * unit) / unit
    return f"{rounded:.{places}f}"
