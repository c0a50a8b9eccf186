"""Medians and ratios, always with their spread: a single time says nothing on a machine that others use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        return cls(median(values), min(values), max(values))


def ratios(reference: Sequence[float], contender: Sequence[float]) -> Spread:
    """How many times faster a contender was: reference time / its time, round by round.

    Both ran in every round, one after the other, so whatever slowed the machine in a round slowed both and drops out.
    """
    return Spread.of([theirs / ours for theirs, ours in zip(reference, contender, strict=True)])
