"""How fast a worker has lately been."""

from __future__ import annotations

_KEPT = 0.95  # of what earlier batches count, at each one


class Rate:
    """A mean over the batches of late, each earlier one counting less."""

    def __init__(self) -> None:
        self._tokens = self._seconds = 0.0

    @property
    def tokens_per_s(self) -> float:
        """Tokens per second while there was work; 0 before the first batch."""
        return self._tokens / self._seconds if self._seconds else 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """Count a batch that took so long."""
        self._tokens = _KEPT * self._tokens + tokens
        self._seconds = _KEPT * self._seconds + seconds
