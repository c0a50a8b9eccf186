from __future__ import annotations

import numpy as np
import pytest

from torchless.inputs.tokens import Batch
from torchless.running.feeds import packed, padded
from torchless.running.plan import Budget, cut

ANY = 10**9
TWENTY = Budget(20, ANY)


def batch_of(lengths: list[int]) -> Batch:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    types = np.arange(offsets[-1], dtype=np.int32) % 2
    return Batch(np.arange(offsets[-1], dtype=np.int32), offsets, np.zeros(len(lengths), np.bool_), types)


@pytest.mark.parametrize("lengths", [[3], [3, 3], [5, 1, 9, 2, 7, 4], [100, 1, 1], list(range(1, 60))])
def test_every_text_is_in_one_part_with_its_own_tokens(lengths: list[int]) -> None:
    batch = batch_of(lengths)
    seen = []
    for places, part in cut(batch, TWENTY):
        for place, row in zip(places, np.split(part.input_ids, part.offsets[1:-1]), strict=True):
            assert row.tolist() == list(range(batch.offsets[place], batch.offsets[place + 1]))
            seen.append(int(place))
        assert part.type_ids.tolist() == [token % 2 for token in part.input_ids]
    assert sorted(seen) == list(range(len(lengths)))


def test_parts_stay_within_the_budget_and_only_a_long_text_exceeds_it() -> None:
    for _, part in cut(batch_of([30, 5, 5, 5, 5, 5, 12, 19]), TWENTY):
        assert len(part.input_ids) <= 20 or len(part.lengths) == 1


def test_like_lengths_go_together() -> None:
    parts = [part.lengths.tolist() for _, part in cut(batch_of([9, 2, 8, 2, 9, 2]), Budget(18, ANY))]
    assert parts == [[2, 2, 2, 8], [9, 9]]


def test_short_texts_do_not_wait_in_the_rectangle_of_a_long_one() -> None:
    parts = [part.lengths.tolist() for _, part in cut(batch_of([5, 65, 5, 5, 6]), Budget(256, 10_000))]
    assert parts == [[5, 5, 5, 6], [65]]
    assert len(list(cut(batch_of([40, 65, 50, 60]), Budget(256, 10_000)))) == 1


def test_what_fits_is_left_alone() -> None:
    ((places, part),) = cut(batch_of([9, 2, 8]), TWENTY)
    assert places.tolist() == [0, 1, 2]
    assert part.lengths.tolist() == [9, 2, 8]


def test_nothing_has_no_parts() -> None:
    assert list(cut(batch_of([]), TWENTY)) == []


def test_layout_of_several_texts_moves_rows_into_a_rectangle_and_back() -> None:
    feeds = packed(batch_of([2, 3, 1]))
    assert not feeds["alone"]
    assert feeds["position_ids"].tolist() == [0, 1, 0, 1, 2, 0]
    assert feeds["first"].tolist() == [0, 2, 5]
    assert feeds["slots"].shape == (3, 3)
    slots = feeds["slots"].reshape(-1)
    assert slots[feeds["rows"]].tolist() == [0, 1, 2, 3, 4, 5]


def test_every_token_of_a_text_attends_to_that_texts_tokens_alone() -> None:
    mask = packed(batch_of([2, 3, 1]))["mask"]
    assert mask.shape == (3, 1, 3, 3)
    assert mask[0, 0].tolist() == [[True, True, False]] * 3
    assert mask[1, 0].tolist() == [[True, True, True]] * 3
    assert mask[2, 0].tolist() == [[True, False, False]] * 3


def test_layout_of_a_text_alone_moves_nothing() -> None:
    feeds = packed(batch_of([3]))
    assert feeds["alone"]
    assert feeds["position_ids"].tolist() == [0, 1, 2]
    assert feeds["slots"].size == feeds["rows"].size == feeds["mask"].size == 1


def test_a_padded_part_stays_within_the_budget_with_its_padding() -> None:
    batch = batch_of([1, 1, 1, 1, 1, 1, 9, 9, 10])
    parts = [part.lengths.tolist() for _, part in cut(batch, TWENTY, padded=True)]
    assert parts == [[1, 1, 1, 1, 1, 1], [9, 9], [10]]


def test_padded_texts_are_filled_up_on_the_right() -> None:
    feeds = padded(batch_of([2, 3]), padding_id=7)
    assert feeds["input_ids"].tolist() == [[0, 1, 7], [2, 3, 4]]
    assert feeds["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert feeds["token_type_ids"].tolist() == [[0, 1, 0], [0, 1, 0]]
    assert {array.dtype for array in feeds.values()} == {np.dtype(np.int64)}
