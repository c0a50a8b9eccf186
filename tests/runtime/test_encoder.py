"""Text to vectors: what `Encoder` answers, whatever the texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Encoder
from torchless.errors import InputError


@pytest.fixture(scope="module")
def encoder(mini: Path) -> Encoder:
    return Encoder.load(mini)


TEXTS = ["good", "a much longer text than the first one", "bad film"]


def test_hidden_states_have_a_row_for_every_token(encoder: Encoder) -> None:
    states = encoder.hidden_states(TEXTS)
    assert [rows.shape for rows in states] == [(3, 384), (10, 384), (4, 384)]
    assert all(rows.dtype == np.float32 for rows in states)


def test_padded_is_hidden_states_with_zeros_and_a_mask(encoder: Encoder) -> None:
    hidden, mask = encoder.padded(TEXTS)
    assert hidden.shape == (3, 10, 384)
    assert mask.sum(axis=1).tolist() == [3, 10, 4]
    for row, rows, ones in zip(hidden, encoder.hidden_states(TEXTS), mask, strict=True):
        np.testing.assert_array_equal(row[ones == 1], rows)
        assert not row[ones == 0].any()


def test_embeddings_are_the_pooled_hidden_states(encoder: Encoder) -> None:
    states = encoder.hidden_states(TEXTS)
    mean = encoder.embed(TEXTS, pooling="mean", normalize=False)
    cls = encoder.embed(TEXTS, pooling="cls", normalize=False)
    np.testing.assert_allclose(mean, [rows.mean(axis=0) for rows in states], atol=1e-6)
    np.testing.assert_array_equal(cls, [rows[0] for rows in states])


def test_normalised_embeddings_have_length_one(encoder: Encoder) -> None:
    embeddings = encoder.embed(TEXTS)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_embeddings_of_many_texts_keep_their_order(encoder: Encoder, sentences: list[str]) -> None:
    together = encoder.embed(sentences)
    np.testing.assert_allclose(together[17], encoder.embed([sentences[17]])[0], atol=1e-5)
    np.testing.assert_allclose(together[-1], encoder.embed([sentences[-1]])[0], atol=1e-5)


def test_alike_texts_lie_closer_than_unlike_ones(encoder: Encoder) -> None:
    a, b, c = encoder.embed(["I loved every minute of it", "What a wonderful evening", "The worst film of the year"])
    assert a @ b > a @ c


def test_it_says_which_texts_were_cut(tiny: Path) -> None:
    assert Encoder.load(tiny).truncated(["good", "! " * 100, ""]).tolist() == [False, True, False]


def test_an_empty_list_gives_empty_arrays(encoder: Encoder) -> None:
    assert encoder.hidden_states([]) == []
    assert encoder.embed([]).shape == (0, 384)
    hidden, mask = encoder.padded([])
    assert hidden.shape == (0, 0, 384)
    assert mask.shape == (0, 0)


def test_an_unknown_pooling_is_refused_with_the_known_ones(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="pooling: expected one of cls, mean, max, got 'median'"):
        encoder.embed(TEXTS, pooling="median")  # type: ignore[arg-type]


def test_a_bare_string_is_refused(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="bare str"):
        encoder.embed("good")


BAD: dict[str, tuple[Callable[[Encoder], Any], str]] = {
    "pooling": (lambda e: e.embed(["x"], pooling="last"), "pooling: expected one of cls, mean, max, got 'last'"),
    "list of poolings": (lambda e: e.embed(["x"], pooling=[]), r"pooling: expected one of .*, got \[\]"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_argument_has_an_error_of_its_own(tiny_encoder: Encoder, name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError, match=message):
        call(tiny_encoder)


@pytest.mark.parametrize("pooling", [None, "cls", "mean", "max"])
def test_a_batch_of_ones_own_is_pooled_as_its_texts_are(encoder: Encoder, pooling: Any) -> None:
    batch = encoder.tokenizer.encode(TEXTS)
    vectors = encoder.pool(batch, pooling=pooling)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, encoder.embed(TEXTS, pooling=pooling, normalize=False), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="pooling: expected one of cls, mean, max, got 'last'"):
        encoder.pool(batch, pooling="last")  # type: ignore[arg-type]


def test_the_bundle_says_how_vectors_are_made_unless_the_call_does(
    tiny_copy: Path, rewrite: Callable[..., None], tiny_encoder: Encoder
) -> None:
    rewrite(lambda fields: fields.update(pooling="cls", normalize=False, default_precision="fp32"))
    other = Encoder.load(tiny_copy)
    plain = tiny_encoder.embed(TEXTS, pooling="cls", normalize=False)
    np.testing.assert_array_equal(other.embed(TEXTS), plain)
    np.testing.assert_array_equal(other.pool(other.tokenizer.encode(TEXTS)), plain)
    np.testing.assert_array_equal(other.embed(TEXTS, pooling="mean", normalize=True), tiny_encoder.embed(TEXTS))
