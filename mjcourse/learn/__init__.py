"""Learning aids: evidence cells, and exercises with checks, hints and progress."""

from mjcourse.learn.coach import check, grade, hint, progress, solution, start
from mjcourse.learn.evidence import Claim, EvidenceError, evidence

__all__ = ["Claim", "EvidenceError", "check", "evidence", "grade", "hint", "progress", "solution", "start"]
