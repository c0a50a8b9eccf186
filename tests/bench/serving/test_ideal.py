"""The queue that the load benchmark compares the server with."""

import math
import statistics

import pytest

from torchless_bench.serving.ideal import ideal_queue


def test_the_ideal_queue_waits_as_long_as_queueing_theory_says() -> None:
    # Pollaczek-Khinchine for one server and constant service: the wait is load / (2 (1 - load)) services on average.
    assert statistics.fmean(ideal_queue([1.0], 0.5, 1)) == pytest.approx(1.5, rel=0.02)
    # Erlang C for two servers and exponential service: 1 / (1 - load²) services in all.
    exponential = [-math.log(1 - (place + 0.5) / 1000) for place in range(1000)]
    assert statistics.fmean(ideal_queue(exponential, 1.0, 2)) == pytest.approx(1 / (1 - 0.5**2), rel=0.02)
