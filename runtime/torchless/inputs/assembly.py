"""Pairs and windows: tokenised texts, cut, with the model's special tokens around them.

`tokenizers` could do both, but it keeps what it cuts off as overflow, for a pair every piece of one text with every
piece of the other (memory grows with the product), and it panics where a stride leaves a window no step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torchless.errors import InputError

from .arguments import NliPair, Side, Text
from .windows import Windows


@dataclass(frozen=True)
class TokenSequence:
    """Tokens in the order in which a model reads them.

    Attributes:
        ids: token ids, special ones included.
        types: the type of each.
        truncated: a text lost tokens.
    """

    ids: list[int]
    types: list[int]
    truncated: bool


@dataclass(frozen=True)
class _Template:
    """The special tokens before, between and after the texts, ids and types, and the types of the texts' own tokens."""

    special: tuple[TokenSequence, ...]
    types: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(len(piece.ids) for piece in self.special)

    def fill(self, texts: Sequence[list[int]], truncated: bool) -> TokenSequence:
        ids, types = [*self.special[0].ids], [*self.special[0].types]
        for text, kind, special in zip(texts, self.types, self.special[1:], strict=True):
            ids += text + special.ids
            types += [kind] * len(text) + special.types
        return TokenSequence(ids, types, truncated)


class Assembler:
    """Puts texts and pairs together with one tokenizer."""

    def __init__(self, tokenizer: Any, max_tokens: int, truncation_side: Side = "right") -> None:
        """Take a tokenizer that neither truncates nor pads; `truncation_side` is where texts lose tokens."""
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._side = truncation_side
        self._single_size = tokenizer.num_special_tokens_to_add(False)
        self._known = self._templates("a") if self._tokens(["a"])["a"] else None

    def encode(self, texts: Sequence[Text], first: int = 0) -> list[TokenSequence]:
        """One sequence per text, cut at the limit; a pair that is too long loses tokens of its longer text first.

        Args:
            texts: n texts.
            first: the place of the first of them in the caller's list, for messages.

        Raises:
            InputError: the limit has no room for the special tokens, or for the first text beside the second of an
                `NliPair`; the message says which text's.
        """
        sequences = []
        tokenised = zip(texts, self._tokenised(texts, first), strict=True)
        for index, (text, (template, parts)) in enumerate(tokenised, first):
            room = self._max_tokens - template.size
            if room < 0:
                raise InputError(
                    f"texts[{index}]: expected a limit of at least its {template.size} special tokens, "
                    f"got {self._max_tokens}."
                )
            lengths = [len(part) for part in parts]
            kept = _only_first(lengths, room) if isinstance(text, NliPair) else _longest_first(lengths, room)
            cut = [self._cut(part, length) for part, length in zip(parts, kept, strict=True)]
            sequences.append(template.fill(cut, cut != parts))
        return sequences

    def windows(self, texts: Sequence[Text], windows: Windows, first: int = 0) -> list[list[TokenSequence]]:
        """One sequence per window of each text. Windows go over the first text of a pair; the second stays whole.

        Args:
            texts: n texts.
            windows: how they are read.
            first: as in `encode`.

        Raises:
            InputError: a window is larger than the limit, or has no room to move on by; the message says which text's.
        """
        size = self._max_tokens if windows.size is None else windows.size
        if size > self._max_tokens:
            raise InputError(f"size: expected at most the model's limit of {self._max_tokens} tokens, got {size}.")
        if windows.stride >= (room := size - self._single_size):
            raise InputError(
                f"stride: expected less than the {max(room, 0)} tokens of a text that a window of {size} holds, "
                f"got {windows.stride}."
            )
        return [
            self._windows(index, template, parts, size, windows)
            for index, (template, parts) in enumerate(self._tokenised(texts, first), first)
        ]

    def _windows(
        self, index: int, template: _Template, parts: Sequence[list[int]], size: int, windows: Windows
    ) -> list[TokenSequence]:
        first, *rest = parts
        taken = template.size + sum(map(len, rest))
        room = size - taken
        if len(first) <= room:
            return [template.fill(parts, False)]
        stride = 0 if windows.combine == "first" else windows.stride
        if room <= stride:
            raise InputError(
                f"texts[{index}].second: every window holds it. With special tokens it takes {taken} of {size} tokens, "
                f"which leaves the first text {max(room, 0)}; expected more than the stride of {stride}. Shorten it, "
                "or read no windows."
            )
        if windows.combine == "first":
            return [template.fill([self._cut(first, room), *rest], True)]
        steps = range(0, len(first) - stride, room - stride)
        if self._side == "right":
            pieces = [first[start : start + room] for start in steps]
        else:  # the last window first, as `tokenizers` has them
            pieces = [self._cut(first[: len(first) - step], room) for step in steps]
        return [template.fill([piece, *rest], False) for piece in pieces]

    def _cut(self, part: list[int], length: int) -> list[int]:
        return part[:length] if self._side == "right" else part[max(len(part) - length, 0) :]

    def _tokenised(self, texts: Sequence[Text], first: int) -> Iterator[tuple[_Template, list[list[int]]]]:
        """What stands around every text or pair, and the token ids of the text, or of the two, without special ones."""
        parts = [[text] if isinstance(text, str) else [text.first, text.second] for text in texts]
        ids = self._tokens(dict.fromkeys(part for pair in parts for part in pair))  # one premise has many hypotheses
        if self._known is None:
            self._known = next((self._templates(part) for part in ids if ids[part]), None)
        templates = self._known or self._templates("")  # where no text has a token, all special ones come first
        for index, pair in enumerate(parts, first):
            template, tokens = templates[len(pair) - 1], [ids[part] for part in pair]
            if not template.size and not any(tokens):
                raise without_tokens(index)
            yield template, tokens

    def _tokens(self, texts: Iterable[str]) -> dict[str, list[int]]:
        listed = list(texts)
        encodings = self._tokenizer.encode_batch_fast(listed, add_special_tokens=False)
        return {text: encoding.ids for text, encoding in zip(listed, encodings, strict=True)}

    def _templates(self, text: str) -> tuple[_Template, _Template]:
        """What stands around a text, and around a pair; seen at a text that this tokenizer has tokens for."""
        return _template(self._tokenizer.encode(text), 1), _template(self._tokenizer.encode(text, text), 2)


def without_tokens(index: int) -> InputError:
    """The error for a text that leaves a model nothing to read."""
    return InputError(
        f"texts[{index}]: expected a text with a token, but this model's tokenizer makes none of it and adds no "
        "special tokens. Leave the text out."
    )


def _template(encoding: Any, texts: int) -> _Template:
    """What stands around one text, or around two; `sequence_ids` is None for a special token."""
    special = [TokenSequence([], [], False) for _ in range(texts + 1)]
    kinds = [0] * texts
    place = 0
    for token, kind, sequence in zip(encoding.ids, encoding.type_ids, encoding.sequence_ids, strict=True):
        if sequence is None:
            special[place].ids.append(token)
            special[place].types.append(kind)
        else:
            kinds[sequence], place = kind, sequence + 1
    return _Template(tuple(special), tuple(kinds))


def _longest_first(lengths: Sequence[int], room: int) -> list[int]:
    """How many tokens of each text stay, as `tokenizers` cuts with `longest_first`: the second keeps an odd one."""
    if sum(lengths) <= room:
        return list(lengths)
    if len(lengths) == 1:
        return [room]
    first, second = lengths
    half = room // 2
    if first <= half:
        return [first, room - first]
    if second <= half:
        return [room - second, second]
    return [half, room - half] if first <= second else [room - half, half]


def _only_first(lengths: Sequence[int], room: int) -> list[int]:
    """How many tokens of each text of a pair stay where the second stays whole."""
    first, second = lengths
    if room <= second and first:
        raise InputError(
            f"a hypothesis stays whole, and its {second} tokens leave its premise {max(room - second, 0)} of the "
            f"{room} that the model has for both; shorten it."
        )
    return [min(first, room - second), second]
