"""The line that says how far a run is."""

from __future__ import annotations

import pytest

from torchless.bulk.kept import Totals
from torchless.bulk.progress import Progress, clock_time


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def totals(rows: int, problems: int = 0) -> Totals:
    return Totals(rows, 0, 0, problems, {})


def test_with_known_rows_the_time_left_follows_the_pace() -> None:
    clock = Clock()
    progress = Progress(1000, kept=0, clock=clock)
    clock.now += 10
    assert progress.line(totals(200, problems=3), 5000, share=0.9) == (
        "200 of 1,000 rows, 20 rows/s, 500 tokens/s, 0:40 left, 3 errors"
    )


def test_with_unknown_rows_it_follows_the_share_of_the_input() -> None:
    clock = Clock()
    progress = Progress(None, kept=0, clock=clock)
    clock.now += 60
    assert progress.line(totals(600), 0, share=0.25) == "600 rows (25%), 10 rows/s, 3:00 left"


def test_a_run_that_goes_on_counts_its_own_rows_as_pace() -> None:
    clock = Clock()
    progress = Progress(None, kept=500, clock=clock)
    clock.now += 10
    assert progress.line(totals(600), 0, share=0.6) == "600 rows (60%), 10 rows/s, 0:40 left"


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (245, "4:05"), (3845, "1:04:05"), (-1, "0:00")])
def test_a_duration_is_said_as_on_a_clock(seconds: float, said: str) -> None:
    assert clock_time(seconds) == said
