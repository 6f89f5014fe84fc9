"""What the checks of chapter 11 share: random numbers for NumPy, and arrays that an answer may not change."""

from __future__ import annotations

import numpy as np
import torch

from mjcourse.learn.exercise import Answer, Wrong


def numpy_generator(g: torch.Generator) -> np.random.Generator:
    """Return a generator for NumPy that is drawn from one of torch."""
    return np.random.default_rng(int(torch.randint(2**31, (), generator=g)))


def called(answer: Answer, *given: object) -> object:
    """Call an answer with copies of the arrays among its inputs and return what it returns.

    Raises:
        Wrong: it changes one of them.
    """
    copies = [x.copy() if isinstance(x, np.ndarray) else x for x in given]
    result = answer(*copies)
    if not all(np.array_equal(x, was) for x, was in zip(copies, given, strict=True) if isinstance(was, np.ndarray)):
        raise Wrong(f"`{answer.name}` changes an array that it was given; work on a copy.")
    return result
