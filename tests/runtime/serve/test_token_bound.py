"""The bound on a text's tokens holds for tokenizers of every kind, and for the texts that expand the most."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tokenizers as tk
from tokenizers import models, normalizers, pre_tokenizers, processors

from torchless.errors import IncompatibleError
from torchless.inputs.arguments import TextPair
from torchless.inputs.normalizer_growth import inserted
from torchless.inputs.tokens import Tokenizer
from torchless.serve.served_model import ServedModel
from torchless.serve.settings import Settings
from torchless.serve.token_bound import TokenBound, _precompiled

TEXTS = [
    *("", " ", "a", "good", "a b c", "a!b?c", "\r\n\t", "x" * 50, "  a  ", "<s>a<s>"),
    *("\ufdfa", "\ufdfa" * 20, "\u1f82", "\U0001d160", "\u0130", "\u4e2d\u6587", "\ud55c\uad6d\uc5b4", "\u0390 \ufb03"),
    *("\U0001f600 a", "e\u0301" * 9, "\u2581", "\xa0", "\u00bd" * 30, "\u3300" * 9),
]
LETTERS = [chr(code) for code in range(33, 127)]
BYTES = [f"<0x{code:02X}>" for code in range(256)]


def bpe(**options: Any) -> tk.Tokenizer:
    return tk.Tokenizer(models.BPE({each: place for place, each in enumerate(["?", *BYTES])}, [], **options))


def pieces(**options: Any) -> tk.Tokenizer:
    vocabulary = [("?", 0.0), *((each, -1.0) for each in [*LETTERS[1:30], *BYTES])]
    return tk.Tokenizer(models.Unigram(vocabulary, 0, **options))


def words() -> tk.Tokenizer:
    vocabulary = {each: place for place, each in enumerate(["[UNK]", *LETTERS, *(f"##{each}" for each in LETTERS)])}
    return tk.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))


def with_parts(tokenizer: tk.Tokenizer, normalizer: Any = None, splitter: Any = None) -> tk.Tokenizer:
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    return tokenizer


def repeated() -> tk.Tokenizer:
    tokenizer = words()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A $A $A", pair="$A $B:1", special_tokens=[])
    return tokenizer


ALL_BYTES = {each: place for place, each in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
KINDS = {
    "BERT": with_parts(words(), normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()),
    "BERT with spaces kept": with_parts(pieces(), normalizers.BertNormalizer()),
    "DeBERTa-v3": with_parts(
        pieces(),
        normalizers.Sequence([normalizers.Strip(), normalizers.NFKC()]),
        pre_tokenizers.Metaspace(),
    ),
    "XLM-R": with_parts(
        pieces(),
        normalizers.NFKD(),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
    ),
    "RoBERTa": with_parts(
        tk.Tokenizer(models.BPE(ALL_BYTES, [])), None, pre_tokenizers.ByteLevel(add_prefix_space=True)
    ),
    "Llama": with_parts(
        bpe(byte_fallback=True, unk_token="?", fuse_unk=False),
        normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]),
    ),
    "Gemma": with_parts(pieces(byte_fallback=True), normalizers.Replace(" ", "\u2581\u2581\u2581")),
    "lower": with_parts(pieces(), normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()])),
    "a template that repeats the text": repeated(),
    "regex": with_parts(pieces(), normalizers.Replace(tk.Regex("x?"), "yyy")),
}


def bound_of(tokenizer: tk.Tokenizer) -> TokenBound:
    return TokenBound(SimpleNamespace(parts=tokenizer))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_has_more_tokens(kind: str) -> None:
    bound = bound_of(KINDS[kind])
    for text in [*TEXTS, " ".join(TEXTS), "".join(TEXTS)]:
        assert len(KINDS[kind].encode(text).ids) <= bound.most(text) < math.inf, text


def test_the_bound_counts_special_tokens_and_pairs(tiny: Path) -> None:
    tokenizer = Tokenizer(tiny / "tokenizer.json", 64)
    bound = TokenBound(tokenizer)
    assert bound.special == 2
    assert bound.most("good") == 6
    assert bound.most(TextPair("good", "bad")) == 3 + 7
    for text in TEXTS:
        assert len(tokenizer.encode([text]).input_ids) <= bound.most(text)


def test_a_part_of_unknown_kind_has_no_bound() -> None:
    part = SimpleNamespace(__getstate__=lambda: b'{"type": "New"}')
    parts = SimpleNamespace(
        normalizer=part,
        pre_tokenizer=None,
        post_processor=None,
        token_to_id=lambda _: None,
        num_special_tokens_to_add=lambda _: 0,
    )
    assert bound_of(parts).most("a") == math.inf  # type: ignore[arg-type]


def test_unicode_s_own_factors_hold_for_this_version() -> None:
    most = dict.fromkeys(("NFC", "NFD", "NFKC", "NFKD"), 1)
    for code in range(0x110000):
        for form in most:
            most[form] = max(most[form], len(unicodedata.normalize(form, chr(code))))
    assert most == {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18}
    assert max(len(chr(code).lower()) for code in range(0x110000)) == 2


def test_a_table_of_normal_forms_is_read_as_sentencepiece_wrote_it() -> None:
    # A trie of two keys: "a" becomes "xyz", and U+00E9 (C3 A9) becomes "long enough".
    units = [0] * 512
    units[0] = 256 << 10
    units[256 ^ 0x61] = 0x61 | 1 << 8 | ((256 ^ 0x61) ^ 300) << 10
    units[300] = 1 << 31 | 0
    table = (len(units) * 4).to_bytes(4, "little") + b"".join(unit.to_bytes(4, "little") for unit in units)
    assert _precompiled(table + b"xyz\0long enough\0") == (3, 11)
    for broken in (b"", table[:200], table):
        assert _precompiled(broken) == (math.inf, math.inf)


def test_steps_that_replace_one_character_by_another_insert_nothing() -> None:
    steps = [normalizers.Replace(each, "'") for each in "\u201c\u201d\u2018\u2019\u201e\u2026" * 4]
    assert inserted(normalizers.Sequence(steps)) == 1


def test_a_tokenizer_that_makes_too_many_tokens_of_a_character_is_refused_before_it_reads_anything(
    tiny_copy: Path, rewrite: Callable[..., None]
) -> None:
    state = json.loads((tiny_copy / "tokenizer.json").read_bytes())
    step = {"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 200}
    state["normalizer"] = {"type": "Sequence", "normalizers": [step] * 4}
    data = json.dumps(state).encode()
    (tiny_copy / "tokenizer.json").write_bytes(data)
    entry = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rewrite(lambda fields: fields["files"].update({"tokenizer.json": entry}))
    with pytest.raises(IncompatibleError, match=r"normalizer: expected at most 10,000 characters for one"):
        ServedModel("m", tiny_copy, Settings())
