"""Entities and their F1 are those of seqeval."""

from __future__ import annotations

import random

import pytest

from torchless_export.tagging.entities import Entity, Scheme, counts, f1
from torchless_export.tagging.words import first_tokens

BIO = Scheme(("O", "B-PER", "I-PER", "B-creative-work", "I-creative-work"))


def entities(scheme: Scheme, tags: str) -> set[Entity]:
    words = tags.split()
    return set(scheme.entities(words, [(place, place + 1) for place in range(len(words))]))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-PER I-PER O", {(1, 3, "PER")}),
        ("I-PER I-PER O I-PER", {(0, 2, "PER"), (3, 4, "PER")}),  # an I- tag begins one too
        ("B-PER B-PER I-PER", {(0, 1, "PER"), (1, 3, "PER")}),
        ("B-PER I-creative-work", {(0, 1, "PER"), (1, 2, "creative-work")}),
        ("O O", set()),
        ("", set()),
    ],
)
def test_entities_of_bio_tags(tags: str, expected: set[Entity]) -> None:
    assert entities(BIO, tags) == expected


def test_other_schemes_say_where_an_entity_ends() -> None:
    bioes = Scheme(("O", "B-A", "I-A", "E-A", "S-A"))
    bilou = Scheme(("O", "B-A", "I-A", "L-A", "U-A"))
    assert entities(bioes, "B-A E-A E-A S-A I-A") == {(0, 2, "A"), (2, 3, "A"), (3, 4, "A"), (4, 5, "A")}
    assert entities(bilou, "B-A I-A L-A U-A") == {(0, 3, "A"), (3, 4, "A")}


def test_tags_without_prefixes_go_on_unless_every_word_has_one() -> None:
    assert entities(Scheme(("O", "PER", "phone-number")), "PER PER O phone-number") == {
        (0, 2, "PER"),
        (3, 4, "phone-number"),
    }
    assert entities(Scheme(("NOUN", "VERB")), "NOUN NOUN VERB") == {(0, 1, "NOUN"), (1, 2, "NOUN"), (2, 3, "VERB")}


def test_f1_counts_exact_entities_over_all_texts() -> None:
    right = [BIO.entities(["B-PER", "I-PER", "O"], [(0, 1), (2, 3), (4, 5)]), frozenset[Entity]()]
    found = [BIO.entities(["B-PER", "O", "B-PER"], [(0, 1), (2, 3), (4, 5)]), frozenset({(0, 1, "PER")})]
    assert counts(found, right).tolist() == [[0, 2, 1], [0, 1, 0]]
    assert f1(counts(right, right)) == 1
    assert f1(counts(found, right)) == 0
    assert f1(counts([], [])) == 0


# Of tags drawn by this test, as seqeval 1.2.2 scores them (f1_score, default mode).
GOLDEN = {"BI": 0.6591760299625468, "BIES": 0.6644736842105263}


@pytest.mark.parametrize("prefixes", GOLDEN)
def test_f1_is_that_of_seqeval(prefixes: str) -> None:
    draw = random.Random(0)
    scheme = Scheme(("O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "creative-work"))))
    gold = [[draw.choice(scheme.labels) for _ in range(draw.randint(1, 9))] for _ in range(40)]
    tags = [[draw.choice(scheme.labels) if draw.random() < 0.4 else tag for tag in row] for row in gold]
    found, right = (
        [scheme.entities(row, [(place, place + 1) for place in range(len(row))]) for row in rows]
        for rows in (tags, gold)
    )
    score = f1(counts(found, right))
    assert score == pytest.approx(GOLDEN[prefixes])
    metrics = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed: golden values alone")
    assert score == pytest.approx(metrics.f1_score(gold, tags))


def test_a_word_has_its_first_token_also_where_that_begins_in_the_blank() -> None:
    words = [(0, 5), (6, 9), (10, 11), (12, 15)]
    assert first_tokens(words, [0, 3, 5, 7, 12]) == [0, 2, None, 4]
    assert first_tokens(words, [0]) == [0, None, None, None]
    assert first_tokens([], [0]) == []
