"""A batch as the arrays that a graph takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from torchless.inputs.tokens import Batch
from torchless.running.feeds import packed, padded

BatchOf = Callable[[list[int]], Batch]


def test_two_texts_are_packed_as_the_format_says(batch_of: BatchOf) -> None:
    """Worked out by hand from the table in docs/bundle.md: 2 and 3 tokens in a rectangle of 2 rows and 3 slots."""
    expected = {
        "input_ids": [0, 1, 2, 3, 4],
        "type_ids": [0, 1, 0, 1, 0],
        "position_ids": [0, 1, 0, 1, 2],
        "lengths": [2, 3],
        "first": [0, 2],
        "alone": False,
        "slots": [[0, 1, 0], [2, 3, 4]],
        "rows": [0, 1, 3, 4, 5],
        "mask": [[[[True, True, False]] * 3], [[[True, True, True]] * 3]],
    }
    feeds = packed(batch_of([2, 3]))
    assert {name: array.tolist() for name, array in feeds.items()} == expected
    kinds = {name: array.dtype for name, array in feeds.items()}
    assert kinds == {**dict.fromkeys(expected, np.dtype(np.int32)), "alone": np.dtype(bool), "mask": np.dtype(bool)}


def test_a_text_alone_has_inputs_of_the_same_names_types_and_ranks(batch_of: BatchOf) -> None:
    alone, together = (
        {name: (array.dtype, array.ndim) for name, array in packed(batch_of(lengths)).items()}
        for lengths in ([3], [3, 1])
    )
    assert alone == together


def test_layout_of_several_texts_moves_rows_into_a_rectangle_and_back(batch_of: BatchOf) -> None:
    feeds = packed(batch_of([2, 3, 1]))
    assert not feeds["alone"]
    assert feeds["position_ids"].tolist() == [0, 1, 0, 1, 2, 0]
    assert feeds["first"].tolist() == [0, 2, 5]
    assert feeds["slots"].shape == (3, 3)
    slots = feeds["slots"].reshape(-1)
    assert slots[feeds["rows"]].tolist() == [0, 1, 2, 3, 4, 5]


def test_every_token_of_a_text_attends_to_that_texts_tokens_alone(batch_of: BatchOf) -> None:
    mask = packed(batch_of([2, 3, 1]))["mask"]
    assert mask.shape == (3, 1, 3, 3)
    assert mask[0, 0].tolist() == [[True, True, False]] * 3
    assert mask[1, 0].tolist() == [[True, True, True]] * 3
    assert mask[2, 0].tolist() == [[True, False, False]] * 3


def test_layout_of_a_text_alone_moves_nothing(batch_of: BatchOf) -> None:
    feeds = packed(batch_of([3]))
    assert feeds["alone"]
    assert feeds["position_ids"].tolist() == [0, 1, 2]
    assert feeds["slots"].size == feeds["rows"].size == feeds["mask"].size == 1


def test_padded_texts_are_filled_up_on_the_right(batch_of: BatchOf) -> None:
    feeds = padded(batch_of([2, 3]), padding_id=7)
    assert feeds["input_ids"].tolist() == [[0, 1, 7], [2, 3, 4]]
    assert feeds["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert feeds["token_type_ids"].tolist() == [[0, 1, 0], [0, 1, 0]]
    assert {array.dtype for array in feeds.values()} == {np.dtype(np.int64)}
