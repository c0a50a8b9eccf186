"""The sample that a model's tokenizer chooses."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from torchless_export import model_sample
from torchless_export.remedy import BUILT_IN
from torchless_export.samples import built_in, of_model


def lines_in(*languages: str) -> list[str]:
    found = model_sample._lines()
    return [line for language in languages for line in (built_in() if language == "en" else found[language])]


def wordpiece(corpus: list[str], size: int, *, lowercase: bool = False) -> Any:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def bytelevel(corpus: list[str], size: int) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


@pytest.mark.parametrize("make", [wordpiece, bytelevel])
def test_an_english_model_has_the_english_lines_alone(make: Any) -> None:
    sample = of_model(make(built_in() * 4, 3000))
    assert (sample.name, sample.texts) == (BUILT_IN, built_in())


def test_a_model_of_several_languages_has_lines_in_each() -> None:
    sample = of_model(bytelevel(lines_in("en", "de", "ru", "zh", "ar") * 4, 6000))
    assert sample.name == f"{BUILT_IN}: lines in ar, de, en, ru, zh"
    assert sample.texts == lines_in("en", "ar", "de", "ru", "zh")


def test_a_model_of_a_language_with_few_lines_has_texts_of_its_words_too() -> None:
    sample = of_model(wordpiece(lines_in("zh") * 4, 2000))
    assert sample.name.startswith(f"{BUILT_IN}: lines in zh and 2")
    assert sample.name.endswith(" texts of words from the model's vocabulary")
    assert len(sample.texts) > 200
    assert not any(letter.isascii() and letter.isalpha() for text in sample.texts for letter in text)


MEDICAL = ["myocardial Infarction thrombolysis angioplasty", "metastatic Adenocarcinoma pancreas", "a b c d , . 1 2"]


def test_a_model_of_a_special_domain_has_texts_of_its_words_in_their_casing() -> None:
    tokenizers = [wordpiece(MEDICAL * 20, 600, lowercase=lowercase) for lowercase in (False, True)]
    cased, uncased = map(of_model, tokenizers)
    assert cased.name == f"{BUILT_IN}: 200 texts of words from the model's vocabulary"
    assert {"Infarction", "thrombolysis", "myocardial"} <= {word for text in cased.texts for word in text.split()}
    assert all(text.islower() for text in uncased.texts)
    assert of_model(tokenizers[0]) == cased  # the same texts every time


def test_a_model_of_letters_has_the_english_lines() -> None:
    letters = sorted({letter for line in built_in() for letter in line})
    vocabulary = {"[UNK]": 0, **{letter: index for index, letter in enumerate(letters, 1)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    assert of_model(tokenizer).name == BUILT_IN


def test_every_language_has_some_lines_of_its_own() -> None:
    lines = model_sample._lines()
    assert len(lines) == 33
    assert all(len(found) >= 4 for found in lines.values())
    assert len({line for found in lines.values() for line in found}) == sum(map(len, lines.values()))
