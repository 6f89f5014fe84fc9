"""Evidence cells: each chapter ends by testing its own claims on what it has just computed."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

_COMPARE = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class EvidenceError(AssertionError):
    """A claim of the chapter does not hold on this run."""


@dataclass(frozen=True)
class Claim:
    """One claim: what is said in words, the measured value, and the bound that it must keep.

    ``Claim("train and test share no scene", shared, "==", 0)``
    """

    text: str
    value: float
    compare: str
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the value keeps its bound; a nan keeps none."""
        value = float(self.value)
        return not math.isnan(value) and _COMPARE[self.compare](value, float(self.bound))

    def __str__(self) -> str:
        mark = "✓" if self.holds else "✗"
        return f"{mark} {self.text}: {float(self.value):.4g} (wanted {self.compare} {float(self.bound):.4g})"


def evidence(*claims: Claim) -> None:
    """Print each claim with its measured value, and raise if one does not hold.

    Raises:
        EvidenceError: at least one claim does not hold; the cell turns red, here and in nbval.
    """
    print("\n".join(map(str, claims)))
    failed = [claim.text for claim in claims if not claim.holds]
    if failed:
        raise EvidenceError(f"{len(failed)} of {len(claims)} claims do not hold: {'; '.join(failed)}")
    print(f"All {len(claims)} claims hold on this run.")
