"""What an interrupted run has measured, and when it may go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torchless.errors import InputError
from torchless_bench.journal import NAME, Journal

RUN = {"--rounds": 7, "--texts": None, "--contenders": ["a", "b"], "onnxruntime": "1.32.0"}


def test_a_resumed_run_finds_what_was_measured_and_measures_the_rest(tmp_path: Path) -> None:
    begun = Journal.begin(tmp_path, RUN)
    assert begun.once(lambda: {"seconds": [1.5, float("inf")]}, "time", "1 x 8") == {"seconds": [1.5, float("inf")]}
    resumed = Journal.resume(tmp_path, RUN)
    assert len(resumed) == 1
    assert resumed.once(lambda: pytest.fail("measured twice"), "time", "1 x 8") == {"seconds": [1.5, float("inf")]}
    assert resumed.found("time", "1 x 16") is None
    resumed.keep(2, "time", "1 x 16")
    assert Journal.resume(tmp_path, RUN).found("time", "1 x 16") == 2


@pytest.mark.parametrize("half", [b'{"key": ["time", "1 x 16"], "va', b"\x00", b'{"key": ["x"], "value": 1}'])
def test_half_a_line_of_a_killed_run_counts_as_not_measured(tmp_path: Path, half: bytes) -> None:
    Journal.begin(tmp_path, RUN).keep(1, "time", "1 x 8")
    with (tmp_path / NAME).open("ab") as file:
        file.write(half)
    resumed = Journal.resume(tmp_path, RUN)
    assert len(resumed) == 1
    resumed.keep(2, "time", "1 x 16")
    again = Journal.resume(tmp_path, RUN)
    assert [again.found("time", name) for name in ("1 x 8", "1 x 16")] == [1, 2]


def test_where_nothing_was_interrupted_a_run_begins(tmp_path: Path) -> None:
    Journal.resume(tmp_path, RUN).keep(1, "a")
    (tmp_path / NAME).write_bytes(b'{"run": ')  # killed at once
    assert len(Journal.resume(tmp_path, RUN)) == 0


def test_without_resume_a_run_begins_anew(tmp_path: Path) -> None:
    Journal.begin(tmp_path, RUN).keep(1, "a")
    Journal.begin(tmp_path, RUN)
    assert Journal.resume(tmp_path, RUN).found("a") is None


def test_another_run_is_refused_and_every_difference_is_named(tmp_path: Path) -> None:
    Journal.begin(tmp_path, RUN).keep(1, "a")
    now = {**RUN, "--rounds": 3, "--contenders": ["a"], "onnxruntime": "1.31.0", "--texts": "sha256 1"}
    with pytest.raises(InputError) as refused:
        Journal.resume(tmp_path, now)
    message = str(refused.value)
    for part in ("--rounds: 7 then, 3 now", "a,b then, a now", "onnxruntime: 1.32.0 then", "--texts: none then"):
        assert part in message
    assert Journal.resume(tmp_path, RUN).found("a") == 1  # nothing was lost by asking


@pytest.mark.parametrize("text", ["hello\n", "[1]\n", json.dumps({"run": {}}) + "\n3\n"])
def test_a_file_that_no_run_wrote_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match=r"measured\.jsonl is not what a run writes"):
        Journal.resume(tmp_path, {})
