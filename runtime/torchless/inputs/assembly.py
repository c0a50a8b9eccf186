"""Pairs and windows: tokenised texts, cut, with the model's special tokens around them.

`tokenizers` could do both, but it keeps what it cuts off as overflow, for a pair every piece of one text with every
piece of the other (memory grows with the product), and it panics where a stride leaves a window no step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torchless.errors import InputError

from .arguments import Text
from .windows import Windows


@dataclass(frozen=True)
class TokenSequence:
    """Tokens in the order in which a model reads them.

    Attributes:
        ids: token ids, special ones included.
        types: the type of each.
        truncated: a text lost its end.
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

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        """Take a tokenizer that neither truncates nor pads."""
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._single, self._pair = _template(tokenizer.encode("a"), 1), _template(tokenizer.encode("a", "b"), 2)

    def encode(self, texts: Sequence[Text]) -> list[TokenSequence]:
        """One sequence per text, cut at the limit; a pair that is too long loses tokens of its longer text first.

        Raises:
            InputError: the limit has no room for the special tokens; the message says which text's.
        """
        sequences = []
        for index, parts in enumerate(self._tokenised(texts)):
            template = self._template(parts)
            room = self._max_tokens - template.size
            if room < 0:
                raise InputError(
                    f"texts[{index}]: expected a limit of at least its {template.size} special tokens, "
                    f"got {self._max_tokens}."
                )
            kept = _longest_first([len(part) for part in parts], room)
            cut = [part[:length] for part, length in zip(parts, kept, strict=True)]
            sequences.append(template.fill(cut, cut != parts))
        return sequences

    def windows(self, texts: Sequence[Text], windows: Windows) -> list[list[TokenSequence]]:
        """One sequence per window of each text. Windows go over the first text of a pair; the second stays whole.

        Raises:
            InputError: a window is larger than the limit, or has no room to move on by; the message says which text's.
        """
        size = self._max_tokens if windows.size is None else windows.size
        if size > self._max_tokens:
            raise InputError(f"size: expected at most the model's limit of {self._max_tokens} tokens, got {size}.")
        if windows.stride >= (room := size - self._single.size):
            raise InputError(
                f"stride: expected less than the {max(room, 0)} tokens of a text that a window of {size} holds, "
                f"got {windows.stride}."
            )
        return [self._windows(index, parts, size, windows) for index, parts in enumerate(self._tokenised(texts))]

    def _windows(self, index: int, parts: Sequence[list[int]], size: int, windows: Windows) -> list[TokenSequence]:
        template, (first, *rest) = self._template(parts), parts
        taken = template.size + sum(map(len, rest))
        room = size - taken
        if len(first) <= room:
            return [template.fill(parts, False)]
        stride = 0 if windows.combine == "first" else windows.stride
        if room <= stride:
            raise InputError(
                f"texts[{index}].second: every window holds it, and its {taken} of {size} tokens leave the first text "
                f"{max(room, 0)}; expected more than the stride of {stride}. Shorten it, or lower the stride."
            )
        if windows.combine == "first":
            return [template.fill([first[:room], *rest], True)]
        starts = range(0, len(first) - stride, room - stride)
        return [template.fill([first[start : start + room], *rest], False) for start in starts]

    def _template(self, parts: Sequence[list[int]]) -> _Template:
        return self._single if len(parts) == 1 else self._pair

    def _tokenised(self, texts: Sequence[Text]) -> Iterator[list[list[int]]]:
        """The token ids of every text, or of the two of every pair, without special ones."""
        parts = [[text] if isinstance(text, str) else [text.first, text.second] for text in texts]
        distinct = list(dict.fromkeys(part for pair in parts for part in pair))  # one premise has many hypotheses
        encodings = self._tokenizer.encode_batch_fast(distinct, add_special_tokens=False)
        ids = {part: encoding.ids for part, encoding in zip(distinct, encodings, strict=True)}
        return ([ids[part] for part in pair] for pair in parts)


def _template(encoding: Any, texts: int) -> _Template:
    """What stands around "a", or around "a" and "b"; `sequence_ids` is None for a special token."""
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
