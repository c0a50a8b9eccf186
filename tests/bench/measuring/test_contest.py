from __future__ import annotations

from collections.abc import Callable

import pytest

from torchless_bench.contenders.contender import Contender, Setup
from torchless_bench.measuring.contest import BenchError, Contest
from torchless_bench.status_line import StatusLine

Hold = Callable[..., Contest]


def test_every_ranked_contender_is_timed_in_every_round(hold: Hold) -> None:
    contest = hold("load")
    for entry in contest.entries:
        assert entry.ranked
        assert {name: len(rounds) for name, rounds in entry.times.items()} == {"1 x 8": 2, "list of 3": 2}
        assert all(seconds > 0 for rounds in entry.times.values() for seconds in rounds)


def test_a_list_is_timed_at_the_batch_size_that_is_fastest_for_the_contender(hold: Hold) -> None:
    assert hold("load").entries[1].batch_sizes["list of 3"] in (1, 8, 32)


def test_what_a_library_prints_does_not_reach_the_line(hold: Hold) -> None:
    assert hold("load_talkative").entries[1].ranked


@pytest.mark.parametrize("function", ["load_slightly_off", "load_contrary", "load_nan"])
def test_an_exact_contender_that_answers_differently_is_reported_and_not_timed(hold: Hold, function: str) -> None:
    fake = hold(function).entries[1]
    assert not fake.ranked
    assert fake.problem is not None
    assert fake.problem.startswith("answers differently: logits")
    assert fake.times == {}


def test_an_int8_contender_may_move_logits_but_not_labels(hold: Hold) -> None:
    assert hold("load_slightly_off", "int8").entries[1].ranked
    contrary = hold("load_contrary", "int8").entries[1]
    assert contrary.problem == "answers differently: another label than PyTorch's for 100.0% of 6 texts"
    assert contrary.times == {}


def test_accuracy_is_that_of_the_labelled_texts_alone(hold: Hold) -> None:
    # "x" is odd and labelled so, "yy" is even and labelled so.
    contest = hold("load_contrary")
    assert [entry.accuracy for entry in contest.entries] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        pytest.param("load_not_installed", "a_package_that_nobody_has is not installed", id="not installed"),
        pytest.param("load_broken", "failed: ValueError: unsupported architecture", id="an exception"),
        pytest.param("load_crashing", "failed: its process ended with exit code 7", id="a crash"),
    ],
)
def test_a_contender_that_cannot_load_is_reported_and_skipped(hold: Hold, function: str, problem: str) -> None:
    contest = hold(function)
    assert contest.entries[1].problem == problem
    assert contest.entries[0].times


def test_a_crash_while_timing_is_reported_and_leaves_no_half_measured_workload(hold: Hold) -> None:
    contest = hold("load_crashing_later")
    fake = contest.entries[1]
    assert fake.problem is not None
    assert fake.problem.startswith("failed: its process ended with signal 6")
    assert fake.times == {}
    assert contest.entries[0].times


def test_without_a_working_reference_there_is_no_contest(setup: Setup) -> None:
    contender = Contender("torch-eager", "PyTorch eager", "exact", "fake_contenders:load_broken")
    with (
        Contest([contender], setup, StatusLine()) as contest,
        pytest.raises(BenchError, match="PyTorch eager is the reference, and failed: ValueError"),
    ):
        contest.load()
