from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import TextPair, Windows
from torchless.bundle.manifest import TOKENIZER
from torchless.errors import IncompatibleError, InputError
from torchless.inputs.tokens import Batch, Tokenizer, TokenSpan, spans_of

SEED_TEXTS = ["I've been waiting for a HuggingFace course my whole life.", "I hate this so much"]
SEED_IDS = [
    [101, 1045, 1005, 2310, 2042, 3403, 2005, 1037, 17662, 12172, 2607, 2026, 2878, 2166, 1012, 102],
    [101, 1045, 5223, 2023, 2061, 2172, 102],
]


def spans_of_all(tokenizer: Tokenizer, texts: list[str], *, special_tokens: bool = True) -> list[list[TokenSpan]]:
    return list(map(spans_of, texts, tokenizer.untruncated(texts, special_tokens=special_tokens)))


def test_the_seed_texts_have_the_seed_ids(mini: Path) -> None:
    batch = Tokenizer(mini / TOKENIZER, 512).encode(SEED_TEXTS)
    assert np.split(batch.input_ids, batch.offsets[1:-1])[0].tolist() == SEED_IDS[0]
    assert np.split(batch.input_ids, batch.offsets[1:-1])[1].tolist() == SEED_IDS[1]
    assert batch.input_ids.dtype == np.int32
    assert batch.lengths.tolist() == [16, 7]


def test_truncation_keeps_the_closing_token(mini: Path) -> None:
    batch = Tokenizer(mini / TOKENIZER, 5).encode([SEED_TEXTS[0]])
    assert batch.input_ids.tolist() == [101, 1045, 1005, 2310, 102]
    assert batch.truncated.tolist() == [True]


def test_left_truncation_keeps_the_end_of_a_text_and_the_opening_token(mini: Path) -> None:
    tokenizer = Tokenizer(mini / TOKENIZER, 16, truncation_side="left")
    batch = tokenizer.limited(5).encode([SEED_TEXTS[0]])
    assert batch.input_ids.tolist() == [101, *SEED_IDS[0][-4:]]
    assert batch.truncated.tolist() == [True]
    windows, _ = tokenizer.limited(5).encode_windows([SEED_TEXTS[1]], Windows(stride=1))
    assert windows.input_ids.tolist() == [101, *SEED_IDS[1][3:6], 102, 101, *SEED_IDS[1][1:4], 102]


@pytest.mark.parametrize("limit", [None, "8", 8.0, 0, -1, 2**40, np.array([8, 9])])
def test_a_limit_that_is_no_whole_number_is_refused(mini: Path, limit: Any) -> None:
    with pytest.raises(InputError, match="max_tokens: expected a whole number of 1 or more, got"):
        Tokenizer(mini / TOKENIZER, 16).limited(limit)


def test_a_text_without_any_token_is_refused_by_its_place(mini: Path, tmp_path: Path) -> None:
    content = json.loads((mini / TOKENIZER).read_text(encoding="utf-8"))
    (tmp_path / TOKENIZER).write_text(json.dumps({**content, "post_processor": None}), encoding="utf-8")
    tokenizer = Tokenizer(tmp_path / TOKENIZER, 512)
    assert tokenizer.encode(["I"]).input_ids.tolist() == [1045]
    with pytest.raises(InputError, match=r"texts\[1\]: expected a text with a token"):
        tokenizer.encode(["I", " "])


def test_padding_and_truncation_baked_into_the_file_are_ignored(mini: Path, tmp_path: Path) -> None:
    content = json.loads((mini / TOKENIZER).read_text(encoding="utf-8"))
    content["padding"] = {
        "strategy": {"Fixed": 128},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    content["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / TOKENIZER).write_text(json.dumps(content), encoding="utf-8")
    batch = Tokenizer(tmp_path / TOKENIZER, 512).encode(SEED_TEXTS)
    assert batch.input_ids.tolist() == SEED_IDS[0] + SEED_IDS[1]


def test_select_takes_texts_in_the_order_asked_for(mini: Path) -> None:
    batch = Tokenizer(mini / TOKENIZER, 512).encode([*SEED_TEXTS, ""])
    chosen = batch.select(np.array([2, 1]))
    assert chosen.input_ids.tolist() == [101, 102, *SEED_IDS[1]]
    assert chosen.offsets.tolist() == [0, 2, 9]


def test_a_tokenizer_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / TOKENIZER).write_text('{"version": "9.0"}')
    with pytest.raises(IncompatibleError, match="pip install -U tokenizers"):
        Tokenizer(tmp_path / TOKENIZER, 512)


def test_an_id_that_is_far_beyond_the_others_is_refused_before_it_takes_the_memory(mini: Path, tmp_path: Path) -> None:
    state = json.loads((mini / TOKENIZER).read_bytes())
    state["model"]["vocab"]["zebra"] = 100_000_000
    (tmp_path / TOKENIZER).write_text(json.dumps(state))
    tokenizer = Tokenizer(tmp_path / TOKENIZER, 512)
    for call in (lambda: tokenizer.limited(9), lambda: tokenizer.encode_windows(["a"], Windows())):
        with pytest.raises(IncompatibleError, match=r"expected ids of up to 16,777,215, got 100,000,000"):
            call()


def test_more_special_tokens_than_the_model_takes_are_refused(mini: Path) -> None:
    with pytest.raises(IncompatibleError, match=r"post_processor: expected at most 1 special tokens .* got 2"):
        Tokenizer(mini / TOKENIZER, 1)


def test_spans_say_where_in_the_text_each_token_stands(mini: Path) -> None:
    (spans,) = spans_of_all(Tokenizer(mini / TOKENIZER, 512), ["I hate this so much"])
    assert [span.id for span in spans] == SEED_IDS[1]
    places = [(None, None), (0, 1), (2, 6), (7, 11), (12, 14), (15, 19), (None, None)]
    assert [(span.start, span.stop) for span in spans] == places
    assert [span.text for span in spans] == ["[CLS]", "I", "hate", "this", "so", "much", "[SEP]"]
    assert [span.special for span in spans] == [True, *[False] * 5, True]


def test_spans_are_of_characters_and_of_the_text_as_it_was_written(mini: Path) -> None:
    texts = [SEED_TEXTS[0], "\U0001f600 Caf\u00e9"]
    whole, accented = spans_of_all(Tokenizer(mini / TOKENIZER, 4), texts, special_tokens=False)
    assert [span.id for span in whole] == SEED_IDS[0][1:-1]  # not cut at 4 tokens
    assert [span.text for span in whole if span.id in (17662, 12172)] == ["Hugging", "Face"]
    assert [(span.text, span.start, span.stop) for span in accented] == [("\U0001f600", 0, 1), ("Caf\u00e9", 2, 6)]


def test_spans_of_nothing(mini: Path) -> None:
    tokenizer = Tokenizer(mini / TOKENIZER, 512)
    assert spans_of_all(tokenizer, []) == []
    assert spans_of_all(tokenizer, [""], special_tokens=False) == [[]]


def test_batches_are_put_one_after_another(mini: Path) -> None:
    tokenizer = Tokenizer(mini / TOKENIZER, 16)
    together = tokenizer.encode([*SEED_TEXTS, ""])
    joined = Batch.concatenate([tokenizer.encode(SEED_TEXTS), tokenizer.encode([""])])
    for name in ("input_ids", "offsets", "truncated", "type_ids"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(together, name))


def test_the_second_text_of_a_pair_has_types_of_its_own(mini: Path) -> None:
    batch = Tokenizer(mini / TOKENIZER, 512, pairs=True).encode([TextPair("I hate", "so much"), "I"])
    assert batch.input_ids.tolist() == [101, 1045, 5223, 102, 2061, 2172, 102, 101, 1045, 102]  # as BERT was trained
    assert batch.type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert batch.offsets.tolist() == [0, 7, 10]


def test_windows_of_a_batch_are_found_by_their_text(mini: Path) -> None:
    tokenizer = Tokenizer(mini / TOKENIZER, 5)
    batch, offsets = tokenizer.encode_windows([SEED_TEXTS[1], "I", ""], Windows(stride=1))
    assert offsets.tolist() == [0, 2, 3, 4]
    assert np.split(batch.input_ids, batch.offsets[1:-1])[1].tolist() == [101, 2023, 2061, 2172, 102]
    assert tokenizer.encode_windows(["I", "I"], None)[1].tolist() == [0, 1, 2]
