"""What a sample shows about all texts: one-sided bounds, so that chance in few texts decides nothing.

A gate fails only where the true value is beyond it with a confidence of 95 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_Z = 1.6448536269514722  # the standard normal quantile of CONFIDENCE, one-sided


def share_at_least(count: int, trials: int) -> float:
    """Lower bound of a share, from `count` of `trials`: exact (Clopper and Pearson, Biometrika 26:404, 1934).

    The bound is the share that would give `count` or more with a probability of 5 %.
    """
    if count == 0:
        return 0.0
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    fewer = np.arange(count)
    log_ways = log_factorials[trials] - log_factorials[fewer] - log_factorials[trials - fewer]
    low, high = 0.0, count / trials
    for _ in range(60):  # bisection, to the last bit
        share = (low + high) / 2
        of_fewer = np.exp(log_ways + fewer * np.log(share) + (trials - fewer) * np.log1p(-share)).sum()
        low, high = (share, high) if of_fewer > CONFIDENCE else (low, share)
    return low


def drop_at_least(lost: int, won: int, trials: int) -> float:
    """Lower bound of a drop in accuracy, from the texts that one model alone has right.

    Paired, so texts that both have right or wrong count in `trials` alone; half a text is added to each of the four
    cells (Agresti and Min, Statistics in Medicine 24:729, 2005).

    Args:
        lost: texts that only the first model has right.
        won: texts that only the second has right.
        trials: all texts.

    Returns:
        How far the second model's accuracy lies below the first's at least, as a share; negative where it may lie
        above.
    """
    texts = trials + 2
    drop = (lost - won) / texts
    variance = ((lost + won + 1) / texts - drop**2) / texts
    return float(drop - _Z * np.sqrt(variance))


def f1_drop_at_least(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Lower bound of a drop in F1, from what two models find in the same texts.

    Paired and linearised: F1 is a ratio of two sums over texts, whose variance is that of each text's share in it
    (the delta method; Cochran, Sampling Techniques, chapter 6). Entities of one text count together.

    Args:
        first: of each text the entities that are right, that were found, and that there are: int64 (texts, 3).
        second: the same of the second model.

    Returns:
        How far the second model's F1 lies below the first's at least; negative where it may lie above.
    """
    scores, shares = zip(*map(_linearised, (first, second)), strict=True)
    texts = len(first)
    variance = float(np.var(shares[0] - shares[1], ddof=1)) / texts if texts > 1 else 0.0
    return float(scores[0] - scores[1] - _Z * np.sqrt(variance))


def _linearised(counts: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """F1, and how far each text moves it: float64 (texts,)."""
    right, both = 2.0 * counts[:, 0], (counts[:, 1] + counts[:, 2]).astype(np.float64)
    if not both.any():
        return 0.0, np.zeros(len(counts))
    score = float(right.sum() / both.sum())
    return score, (right - score * both) / both.mean()
