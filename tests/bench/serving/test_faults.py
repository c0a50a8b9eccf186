"""What the fault runs send, and how they judge what comes back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from torchless import Classifier
from torchless.serve.settings import Settings
from torchless_bench.serving import swaps
from torchless_bench.serving.limits import bound_bytes, largest
from torchless_bench.serving.malformed import SEEDS, bodies, mutate
from torchless_bench.serving.swaps import other_bundle, point


def test_the_largest_requests_keep_to_the_largest_body() -> None:
    for limits in (Settings(), Settings(max_body_bytes=1_000_000, max_batch_texts=8, max_text_characters=1000)):
        cases = largest(limits)
        assert len({case.name for case in cases}) == len(cases)
        assert all(0 < len(case.data()) <= limits.max_body_bytes for case in cases if "million" not in case.name)


def test_the_bound_grows_with_every_limit() -> None:
    least = bound_bytes(Settings(workers=1), 10)
    assert least > 6 * Settings().max_held_bytes
    assert bound_bytes(Settings(workers=2), 10) > least
    assert bound_bytes(Settings(workers=1), 11) > least
    assert bound_bytes(Settings(workers=1, max_text_characters=300_000), 10) > least


def test_malformed_bodies_are_always_the_same_ones_for_every_path() -> None:
    made = list(bodies(100))
    assert made == list(bodies(100))
    assert {path for path, _ in made} == set(SEEDS)
    seed = json.dumps(SEEDS["/predict"]).encode()
    assert sum(mutate(seed, random.Random(number)) != seed for number in range(50)) > 40


def test_an_answer_is_of_one_bundle_or_of_neither(tiny: Path, tmp_path: Path) -> None:
    other_bundle(tiny, tmp_path / "other")
    first, second = (Classifier.load(path, threads=1).labels for path in (tiny, tmp_path / "other"))
    assert second == tuple(f"other {label}" for label in first)
    known = [[{"label": "a", "score": 0.75}], [{"label": "other a", "score": 0.75}]]
    for number, expected in enumerate(known, start=1):
        assert swaps._whose(200, json.dumps(expected).encode(), known) == f"of bundle {number}"
    assert swaps._whose(200, b'[{"label": "a", "score": 0.25}]', known) == "OF NEITHER"
    assert swaps._whose(503, b"{}", known) == "status 503"


@pytest.mark.parametrize("name", ["sound", "other"])
def test_a_link_leads_elsewhere_at_once(tmp_path: Path, name: str) -> None:
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "sound")
    point(link, tmp_path / name)
    assert link.readlink() == tmp_path / name
