"""golden.json: every complaint names the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Bundle, TextPair, verify
from torchless.bundle.golden import Golden
from torchless.errors import ManifestError

Rewrite = Callable[[Callable[[dict[str, Any]], None]], None]


def test_embeddings_of_the_first_texts_are_enough(tiny_copy: Path, regolden: Rewrite) -> None:
    def change(golden: dict[str, Any]) -> None:
        for answers in golden["variants"].values():
            answers.update(embeddings=answers["embeddings"][:2], min_cosine=0.999)

    regolden(change)
    assert [report.min_cosine for report in verify(tiny_copy)] == [0.999, 0.999]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda golden: golden.clear(), "texts: expected a list, got nothing"),
        (lambda golden: golden.update(texts=[]), "texts: expected one or more, got none"),
        (lambda golden: golden["input_ids"].pop(), "input_ids: expected 27 lists, one for each text, got 26"),
        (lambda golden: golden["variants"].pop("int8"), r"variants\.int8: expected an object"),
        (lambda golden: golden["variants"]["int8"].pop("logits"), r"variants\.int8\.logits: expected a list"),
        (lambda golden: golden["variants"]["int8"]["logits"].pop(), r"int8\.logits: expected 27 rows, one for each"),
        (lambda golden: golden["variants"]["int8"]["logits"][0].pop(), r"int8\.logits: expected rows of 3 numbers"),
        (lambda golden: golden["variants"]["fp32"].update(embeddings=[]), r"embeddings: expected rows of 32 numbers"),
        (lambda golden: golden["variants"]["fp32"].update(embeddings=["a"]), r"embeddings: expected rows of 32"),
        (
            lambda golden: golden["variants"]["fp32"]["embeddings"][0].__setitem__(0, 3.4028235677973366e38),
            r"embeddings: expected rows of 32 numbers",
        ),
        (lambda golden: golden["variants"]["fp32"].update(tolerance=1e9), r"tolerance: expected a number from 0 to 1"),
        (lambda golden: golden["variants"]["fp32"].update(min_cosine=0), r"min_cosine: expected a number from 0\.9 to"),
    ],
)
def test_a_wrong_golden_file_is_named(
    tiny_copy: Path, regolden: Rewrite, change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    regolden(change)
    with pytest.raises(ManifestError, match=rf"golden\.json, .*{complaint}"):
        verify(tiny_copy)


def golden_of(bundle: Bundle) -> Golden:
    return Golden.from_bytes(bundle.read("golden.json"), bundle.manifest)


def test_golden_answers_fit_the_bundle(tiny: Path) -> None:
    golden = golden_of(Bundle.open(tiny))
    assert len(golden.texts) == len(golden.input_ids)
    assert {type(text) for text in golden.texts} == {str, TextPair}
    assert "" in golden.texts
    for answers in golden.variants.values():
        assert answers.logits is not None
        assert (answers.logits.dtype, answers.logits.shape) == (np.float32, (len(golden.texts), 3))
        assert (answers.embeddings.dtype, answers.embeddings.shape[1]) == (np.float32, 32)


def test_a_file_that_names_no_cosine_has_that_of_its_precision(tiny_copy: Path, regolden: Rewrite) -> None:
    def change(golden: dict[str, Any]) -> None:
        for answers in golden["variants"].values():
            answers.pop("min_cosine", None)

    regolden(change)
    golden = golden_of(Bundle.open(tiny_copy))  # the numbers of docs/bundle.md
    assert {name: answers.min_cosine for name, answers in golden.variants.items()} == {"fp32": 0.99999, "int8": 0.99}


def test_a_bundle_without_a_head_needs_no_logits(tiny_copy: Path, rewrite: Rewrite, regolden: Rewrite) -> None:
    rewrite(lambda fields: fields["variants"]["int8"].update(classifier=None))
    regolden(lambda golden: golden["variants"]["int8"].pop("logits"))
    assert golden_of(Bundle.open(tiny_copy)).variants["int8"].logits is None


def test_the_golden_answers_of_a_tagger_have_one_row_per_token(tiny_tagger: Path) -> None:
    golden = golden_of(Bundle.open(tiny_tagger))
    for answers in golden.variants.values():
        assert answers.logits is not None
        assert answers.logits.shape == (sum(map(len, golden.input_ids)), 5)


def test_a_row_too_few_of_a_tagger_is_named(tiny_tagger: Path) -> None:
    bundle = Bundle.open(tiny_tagger)
    golden = json.loads(bundle.read("golden.json"))
    golden["variants"]["int8"]["logits"].pop()
    with pytest.raises(ManifestError, match=r"int8\.logits: expected \d+ rows, one for each token, got"):
        Golden.from_bytes(json.dumps(golden).encode(), bundle.manifest)
