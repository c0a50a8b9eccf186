"""How long a run still takes."""

from __future__ import annotations

import pytest

from torchless_bench.time_left import TimeLeft


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def left(now: list[float]) -> TimeLeft:
    left = TimeLeft(clock=lambda: now[0])
    for name, seconds in (("a", 10.0), ("b", 10.0), ("c", 20.0)):
        left.plan("time", name, seconds)
    left.plan("load", "x", 60.0)
    return left


def test_guesses_are_added_up_and_what_the_running_step_has_taken_is_gone(left: TimeLeft, now: list[float]) -> None:
    assert left.seconds() == 100
    left.begin("time", "a")
    now[0] = 4
    assert left.seconds() == 96
    now[0] = 30  # longer than expected
    assert left.seconds() == 90


def test_what_is_done_corrects_the_guesses_of_its_kind_alone(left: TimeLeft, now: list[float]) -> None:
    left.begin("time", "a")
    now[0] = 30
    left.end("time", "a")
    assert left.seconds() == 3 * 30 + 60
    left.drop("load", "x")
    assert left.seconds() == 90


def test_the_estimate_is_said_in_minutes_and_not_at_all_without_a_plan(left: TimeLeft) -> None:
    assert left.text() == "about 2 min left"
    left.drop("load", "x")
    assert left.text() == "about 1 min left"
    without = TimeLeft()
    without.begin("time", "a")
    without.end("time", "a")
    assert without.text() == ""
