"""Learning aids: evidence cells, and later checks, hints and progress."""

from mjcourse.learn.evidence import Claim, EvidenceError, evidence

__all__ = ["Claim", "EvidenceError", "evidence"]
