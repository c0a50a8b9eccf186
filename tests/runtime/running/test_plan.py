"""Long lists, cut within a budget."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from torchless.inputs.tokens import Batch
from torchless.running.plan import Budget, split

BatchOf = Callable[[list[int]], Batch]


ANY = 10**9


TWENTY = Budget(20, ANY)


@pytest.mark.parametrize("lengths", [[3], [3, 3], [5, 1, 9, 2, 7, 4], [100, 1, 1], list(range(1, 60))])
def test_every_text_is_in_one_part_with_its_own_tokens(batch_of: BatchOf, lengths: list[int]) -> None:
    batch = batch_of(lengths)
    seen = []
    for places, part in split(batch, TWENTY):
        for place, row in zip(places, np.split(part.input_ids, part.offsets[1:-1]), strict=True):
            assert row.tolist() == list(range(batch.offsets[place], batch.offsets[place + 1]))
            seen.append(int(place))
        assert part.type_ids.tolist() == [token % 2 for token in part.input_ids]
    assert sorted(seen) == list(range(len(lengths)))


def test_parts_stay_within_the_budget_and_only_a_long_text_exceeds_it(batch_of: BatchOf) -> None:
    for _, part in split(batch_of([30, 5, 5, 5, 5, 5, 12, 19]), TWENTY):
        assert len(part.input_ids) <= 20 or len(part.lengths) == 1


def test_like_lengths_go_together(batch_of: BatchOf) -> None:
    parts = [part.lengths.tolist() for _, part in split(batch_of([9, 2, 8, 2, 9, 2]), Budget(18, ANY))]
    assert parts == [[2, 2, 2, 8], [9, 9]]


def test_short_texts_do_not_wait_in_the_rectangle_of_a_long_one(batch_of: BatchOf) -> None:
    parts = [part.lengths.tolist() for _, part in split(batch_of([5, 65, 5, 5, 6]), Budget(256, 10_000))]
    assert parts == [[5, 5, 5, 6], [65]]
    assert len(list(split(batch_of([40, 65, 50, 60]), Budget(256, 10_000)))) == 1


def test_what_fits_is_left_alone(batch_of: BatchOf) -> None:
    ((places, part),) = split(batch_of([9, 2, 8]), TWENTY)
    assert places.tolist() == [0, 1, 2]
    assert part.lengths.tolist() == [9, 2, 8]


def test_nothing_has_no_parts(batch_of: BatchOf) -> None:
    assert list(split(batch_of([]), TWENTY)) == []


def test_a_padded_part_stays_within_the_budget_with_its_padding(batch_of: BatchOf) -> None:
    batch = batch_of([1, 1, 1, 1, 1, 1, 9, 9, 10])
    parts = [part.lengths.tolist() for _, part in split(batch, TWENTY, padded=True)]
    assert parts == [[1, 1, 1, 1, 1, 1], [9, 9], [10]]
