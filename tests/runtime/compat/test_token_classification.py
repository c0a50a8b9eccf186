"""transformers' token-classification pipeline, where there is no transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import TokenClassifier
from torchless.compat import pipeline
from torchless.errors import InputError
from torchless.inputs.tokens import Tokenizer

FLAGS = np.array([True, False])


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        (np.array(["a", "b"]), {}, "inputs: expected one str or more, alone or in a list, got a ndarray"),
        (np.array(["a"]), {}, "got a ndarray"),
        (np.array([]), {}, "got a ndarray"),
        ((), {}, "inputs: expected one str or more, alone or in a list, got none"),
        (None, {}, "alone or in a list, got none"),
        (
            "a",
            {"offset_mapping": np.array([[0, 1], [0, 1]])},
            "offset_mapping: expected a list for each of the 1 inputs",
        ),
        ("a", {"offset_mapping": np.array([[0, 1]])}, "offset_mapping: expected a list for each of the 1 inputs"),
        (["a"], {"is_split_into_words": FLAGS}, "is_split_into_words: expected True or False, got array"),
        ("a", {"grouped_entities": FLAGS}, "grouped_entities: expected True or False, got array"),
        ("a", {"grouped_entities": True, "ignore_subwords": FLAGS}, "ignore_subwords: expected True or False"),
    ],
)
def test_a_call_for_entities_that_is_not_understood_is_refused(
    tag: Any, inputs: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        tag(inputs, **parameters)
    assert message in str(caught.value)


def test_places_may_be_rows_of_an_array(tag: Any) -> None:
    places = [(0, 0), (0, 1), (2, 3), (0, 0)]
    assert tag("a b", offset_mapping=[np.array(places)]) == tag("a b", offset_mapping=[places])


@pytest.mark.parametrize("words", [False, True])
def test_a_long_list_is_tokenised_in_pieces(tag: Any, words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    of = TokenClassifier.logits_of
    monkeypatch.setattr(
        TokenClassifier, "logits_of", lambda model, batch: sizes.append(len(batch.lengths)) or of(model, batch)
    )
    texts = [f"a man in boat {place}" for place in range(1100)]
    inputs: list[Any] = [text.split() for text in texts] if words else texts
    answers = tag(inputs, is_split_into_words=words, ignore_labels=[])
    assert max(sizes) <= 1024 < sum(sizes) == len(answers) == 1100
    expected = tag(inputs[-1:], is_split_into_words=words, ignore_labels=[])[0]
    assert [entity["word"] for entity in answers[-1]] == [entity["word"] for entity in expected]


def test_a_text_of_a_later_piece_that_is_cut_is_called_by_its_place(tag: Any, long_text: str) -> None:
    with pytest.warns(UserWarning, match=r"inputs\[1500\] is longer than the 64 tokens") as caught:
        tag([*["a"] * 1500, long_text, "b", *["a"] * 1100, long_text])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("stride", [None, 4])
def test_a_text_without_any_token_is_called_by_its_place(
    tiny_tagger: Path, tmp_path: Path, stride: int | None, long_text: str
) -> None:
    content = json.loads((tiny_tagger / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, "post_processor": None}))
    model = TokenClassifier.load(tiny_tagger)
    model.tokenizer = Tokenizer(tmp_path / "tokenizer.json", 64)
    texts = [long_text if stride else "b", *["a"] * 1500, " "]
    calls: list[Callable[[], Any]] = [
        lambda: model.tag(texts),
        lambda: model.tag_words([text.split() for text in texts]),
        lambda: pipeline("ner", model=model, aggregation_strategy="simple")(texts, stride=stride),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"texts\[1501\]: expected a text with a token"):
            call()
