from __future__ import annotations

from collections.abc import Callable

from torchless_bench.workload_texts import TextMaker
from torchless_bench.workloads import LENGTHS, all_workloads


def test_lengths_beyond_the_models_limit_are_left_out(count_tokens: Callable[[str], int]) -> None:
    workloads = all_workloads(TextMaker(count_tokens), 64, None, list_texts=10, lengths=(8, 64, 128))
    assert [workload.tokens for workload in workloads if workload.kind == "single"] == [8, 64]


def test_own_texts_fill_batches_and_the_list(count_tokens: Callable[[str], int]) -> None:
    workloads = all_workloads(TextMaker(count_tokens), 64, ["mine"], list_texts=10, lengths=(8,))
    assert [workload.batches[0] for workload in workloads if workload.kind in ("batch", "list")] == [
        ["mine"] * count for count in (8, 32, 10)
    ]


def test_all_lengths_that_the_issue_names_are_timed() -> None:
    assert LENGTHS == (8, 16, 32, 64, 128, 256, 512)
