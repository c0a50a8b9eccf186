"""Medians and ratios of rounds, with the smallest and the largest.

A single time says little on a machine where other processes run, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The median, the smallest and the largest value of some rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))


def ratios(reference: Sequence[float], contender: Sequence[float]) -> Spread:
    """How many times faster a contender is: the reference's seconds / the contender's seconds, of each round.

    Both ran in every round, one after the other, so a slow machine slows both and hardly changes the ratio.

    Raises:
        ValueError: the two have different numbers of rounds.
    """
    return Spread.of([theirs / ours for theirs, ours in zip(reference, contender, strict=True)])
