"""How many tokens a text can have at most, known before it is tokenised.

A token stands for one character or more of the normalised text, or for one byte of a character that the vocabulary
lacks. So the bound is the text's characters, times what the tokenizer's normalizer can make of one character, times its
bytes where the tokenizer goes down to bytes. Nothing in it is measured: no client's texts change it.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from functools import reduce
from typing import Any

from torchless.inputs.arguments import Text
from torchless.inputs.tokens import Tokenizer

_UTF8 = 4  # most bytes of a character
# Characters that one character can become (Unicode Standard Annex 15, "Maximum Expansion Factors"), ASCII ones never.
_NORMAL_FORMS = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18}
_SHRINKING = {"Strip", "StripAccents", "Nmt", None}
_SPACES_LOST = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_SPLITTING = {"Digits", "Punctuation", "CharDelimiterSplit", "Split", "UnicodeScripts", "FixedLength", *_SPACES_LOST}


class TokenBound:
    """The bound for one tokenizer.

    Attributes:
        special: tokens that are added to a text.
        ascii: most tokens per character of a text that is ASCII; inf where the tokenizer has a part of unknown kind.
        other: most tokens per character of any other text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        parts = tokenizer.parts
        self._special: tuple[int, int] = (parts.num_special_tokens_to_add(False), parts.num_special_tokens_to_add(True))
        self.special = self._special[0]
        factors: tuple[float, float] = _factors(parts)
        self.ascii, self.other = factors

    def most(self, text: Text) -> float:
        """Most tokens that the text can have, if it is not cut; special ones included."""
        if isinstance(text, str):
            return self._special[0] + self._own(text)
        return self._special[1] + self._own(text.first) + self._own(text.second)

    def _own(self, text: str) -> float:
        factor: float = self.ascii if text.isascii() else self.other
        return len(text) * factor if text else 0


def _factors(parts: Any) -> tuple[float, float]:
    """Tokens per character of ASCII texts, and of others."""
    normalizer, splitter = _state(parts.normalizer), _state(parts.pre_tokenizer)
    steps = [*_steps(normalizer, "normalizers"), *_steps(splitter, "pretokenizers")]
    to_bytes = any(step["type"] == "ByteLevel" for step in steps) or parts.token_to_id("<0x00>") is not None
    spaces_lost = any(step["type"] in _SPACES_LOST for step in steps)
    copies = _copies(_state(parts.post_processor))
    ascii_factor = copies * math.prod(_growth(step, spaces_lost)[0] for step in steps)
    other_factor = copies * math.prod(_growth(step, spaces_lost)[1] for step in steps)
    if to_bytes:
        # An ASCII text stays ASCII unless something is added to it, such as SentencePiece's mark for a space.
        ascii_factor *= 1 if all(step["type"] in {"ByteLevel", *_SPLITTING} for step in steps) else _UTF8
        other_factor *= _UTF8
    return ascii_factor, other_factor


def _growth(step: dict[str, Any], spaces_lost: bool) -> tuple[float, float]:
    """Characters that a step can make of one: of an ASCII character, and of any."""
    kind = step["type"]
    if kind in _NORMAL_FORMS:
        return 1, _NORMAL_FORMS[kind]
    if kind in _SHRINKING or kind in _SPLITTING:
        return 1, 1
    if kind == "Lowercase":
        return 1, 2  # U+0130
    if kind == "BertNormalizer":  # decomposes a character, or puts spaces around an ideograph
        return 1, max(1 if spaces_lost else 3, _NORMAL_FORMS["NFD"])
    if kind == "ByteLevel":  # of a pre-tokenizer; as many characters as bytes, which are counted once for all steps
        return (2, 2) if step.get("add_prefix_space") else (1, 1)
    if kind == "Metaspace":  # a mark before every piece
        return 2, 2
    if kind in {"Prepend", "Replace"}:
        added = len(step.get("prepend") or step.get("content") or "")
        return 1 + added, 1 + added
    if kind == "Precompiled":
        return _precompiled(base64.b64decode(step["precompiled_charsmap"]))
    return math.inf, math.inf


def _state(part: Any) -> dict[str, Any] | None:
    return json.loads(part.__getstate__()) if part is not None else None


def _steps(state: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    if state is None:
        return []
    if state.get("type") == "Sequence":
        return reduce(lambda steps, each: steps + _steps(each, name), state[name], list[dict[str, Any]]())
    return [state]


def _copies(post_processor: dict[str, Any] | None) -> int:
    """How often a template repeats a text."""
    templates = [each for each in _steps(post_processor, "processors") if each.get("type") == "TemplateProcessing"]
    counts = [sum("Sequence" in piece for piece in each["single"]) for each in templates]
    return max([1, *counts])


def _precompiled(table: bytes) -> tuple[float, float]:
    """Characters that SentencePiece's table of normal forms makes of one; inf of a table that is none."""
    try:
        return _longest_forms(table)
    except (struct.error, IndexError, ValueError):
        return math.inf, math.inf


def _longest_forms(table: bytes) -> tuple[float, float]:
    """The same of a sound table: a trie, and the strings that it leads to."""
    (size,) = struct.unpack_from("<I", table)
    trie, strings = struct.unpack_from(f"<{size // 4}I", table, 4), table[4 + size :]
    longest = max((len(each.decode("utf-8", "replace")) for each in strings.split(b"\0")), default=1)
    of_ascii = [_looked_up(trie, strings, bytes([code])) for code in range(1, 128)]
    return max(1, *map(len, of_ascii), len(_looked_up(trie, strings, b"\r\n"))), max(1, longest)


def _looked_up(trie: tuple[int, ...], strings: bytes, key: bytes) -> str:
    """What the double array (darts-clone) has for a key, or for its shortest beginning that is there."""
    place = _offset(trie[0])
    for code in key:
        place ^= code
        if place >= len(trie) or trie[place] & 0x800000FF != code:
            break
        unit = trie[place]
        place ^= _offset(unit)
        if unit >> 8 & 1:
            found = trie[place] & 0x7FFFFFFF
            return strings[found : strings.index(b"\0", found)].decode("utf-8", "replace")
    return ""


def _offset(unit: int) -> int:
    return unit >> 10 << ((unit & 1 << 9) >> 6)
