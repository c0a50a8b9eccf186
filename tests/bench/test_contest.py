from __future__ import annotations

from collections.abc import Callable

import pytest

from torchless_bench.contenders import Contender, Job
from torchless_bench.contest import BenchError, Contest
from torchless_bench.progress import Progress

Hold = Callable[..., Contest]


def test_every_ranked_contender_is_timed_in_every_round(hold: Hold) -> None:
    contest = hold("load")
    for entry in contest.entries:
        assert entry.ranked
        assert {name: len(rounds) for name, rounds in entry.times.items()} == {"1 x 8": 2, "list of 3": 2}
        assert all(seconds > 0 for rounds in entry.times.values() for seconds in rounds)


def test_a_list_is_timed_at_the_batch_size_that_suits_the_engine(hold: Hold) -> None:
    assert hold("load").entries[1].batch_sizes["list of 3"] in (1, 8, 32)


def test_what_a_library_prints_does_not_reach_the_line(hold: Hold) -> None:
    assert hold("load_talkative").entries[1].ranked


@pytest.mark.parametrize("function", ["load_slightly_off", "load_contrary", "load_nan"])
def test_an_exact_engine_that_answers_differently_is_reported_and_not_timed(hold: Hold, function: str) -> None:
    fake = hold(function).entries[1]
    assert not fake.ranked
    assert fake.problem is not None
    assert fake.problem.startswith("answers differently: logits")
    assert fake.times == {}


def test_an_int8_engine_may_move_logits_but_not_labels(hold: Hold) -> None:
    assert hold("load_slightly_off", "int8").entries[1].ranked
    contrary = hold("load_contrary", "int8").entries[1]
    assert contrary.problem == "answers differently: another label than PyTorch's for 100.0% of 6 texts"
    assert contrary.times == {}


def test_accuracy_is_that_of_the_labelled_texts_alone(hold: Hold) -> None:
    # "x" is odd and labelled so, "yy" is even and labelled so.
    contest = hold("load_contrary")
    assert [entry.accuracy for entry in contest.entries] == [1.0, 0.0]


def test_a_contender_that_is_not_installed_is_reported_and_skipped(hold: Hold) -> None:
    contest = hold("load_not_installed")
    assert contest.entries[1].problem == "a_package_that_nobody_has is not installed"
    assert contest.entries[0].times


def test_a_contender_that_cannot_load_is_reported_and_skipped(hold: Hold) -> None:
    contest = hold("load_broken")
    assert contest.entries[1].problem == "failed: ValueError: unsupported architecture"
    assert contest.entries[0].times


def test_a_crash_while_loading_is_reported_and_skipped(hold: Hold) -> None:
    contest = hold("load_crashing")
    assert contest.entries[1].problem == "failed: its process ended with exit code 7"
    assert contest.entries[0].times


def test_a_crash_while_timing_is_reported_and_leaves_no_half_measured_workload(hold: Hold) -> None:
    contest = hold("load_crashing_later")
    fake = contest.entries[1]
    assert fake.problem is not None
    assert fake.problem.startswith("failed: its process ended with signal 6")
    assert fake.times == {}
    assert contest.entries[0].times


def test_without_a_working_reference_there_is_no_contest(job: Job) -> None:
    contender = Contender("torch-eager", "PyTorch eager", "exact", "fake_engines:load_broken")
    with (
        Contest([contender], job, Progress()) as contest,
        pytest.raises(BenchError, match="PyTorch eager is the reference, and failed: ValueError"),
    ):
        contest.load()
