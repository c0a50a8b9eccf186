from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from torchless.bundle.manifest import TOKENIZER
from torchless.errors import IncompatibleError
from torchless.inputs.tokens import Tokenizer

SEED_TEXTS = ["I've been waiting for a HuggingFace course my whole life.", "I hate this so much"]
SEED_IDS = [
    [101, 1045, 1005, 2310, 2042, 3403, 2005, 1037, 17662, 12172, 2607, 2026, 2878, 2166, 1012, 102],
    [101, 1045, 5223, 2023, 2061, 2172, 102],
]


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
