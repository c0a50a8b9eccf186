"""What callers hand in, checked: texts, pairs of texts and whole numbers."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from torchless.errors import InputError

Side = Literal["right", "left"]  # of a text, in the order in which it is read: its end, its beginning


@dataclass(frozen=True)
class TextPair:
    """Two texts that a model reads together, such as a premise and a hypothesis, or a query and a passage."""

    first: str
    second: str


class NliPair(TextPair):
    """A premise and a hypothesis: where the pair is too long, only the premise is cut."""


Text = str | TextPair


def characters(text: Text) -> int:
    """Number of characters of a text, or of both texts of a pair together."""
    return len(text) if isinstance(text, str) else len(text.first) + len(text.second)


def text_list(texts: Iterable[Text], *, pairs: bool) -> list[Text]:
    """Texts as a list, read once: a generator will do.

    Args:
        texts: str, or TextPair.
        pairs: whether the model reads pairs.

    Raises:
        InputError: texts is a bare str, bytes or TextPair, has no order or cannot be iterated over, an element is not
            a text or holds a lone surrogate, or is a pair given to a model that takes single texts; the message says
            which.
    """
    if isinstance(texts, (str, bytes, TextPair)):
        raise InputError(f"texts: expected a list of str, got a bare {type(texts).__name__}. Pass [text].")
    if isinstance(texts, (Mapping, AbstractSet)) or not isinstance(texts, Iterable):
        raise InputError(f"texts: expected a list of str, got {type(texts).__name__}.")
    listed = texts if isinstance(texts, list) else list(texts)
    for index, text in enumerate(listed):
        if isinstance(text, str):
            refuse_lone_surrogate(text, f"texts[{index}]")
        else:
            _check_pair(text, f"texts[{index}]", pairs)
    return listed


def _check_pair(pair: object, where: str, allowed: bool) -> None:
    if not isinstance(pair, TextPair):
        hint = (
            " Wrap two texts that belong together: TextPair(first, second)." if isinstance(pair, (tuple, list)) else ""
        )
        raise InputError(f"{where}: expected str, got {type(pair).__name__}.{hint}")
    if not allowed:
        raise InputError(f"{where}: this model takes single texts, got a TextPair. Pass one str for each text.")
    for name, text in (("first", pair.first), ("second", pair.second)):
        if not isinstance(text, str):
            raise InputError(f"{where}.{name}: expected str, got {type(text).__name__}.")
        refuse_lone_surrogate(text, f"{where}.{name}")


def refuse_lone_surrogate(text: str, where: str) -> None:
    """Refuse half a surrogate pair, which Python strings and JSON escapes can hold and UTF-8 cannot.

    Raises:
        InputError: there is one; the message names it and its place.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, which no "
            "UTF-8 text can hold. Decode the input with errors='replace', or drop it."
        ) from None


def whole_number(value: object, name: str, expected: str, most: int) -> int:
    """An integer of any kind (numpy's too) from 1 to `most`.

    Raises:
        InputError: it is not one; the message says what was expected.
    """
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if not 1 <= number <= most:
        raise InputError(f"{name}: expected {expected}, got {value!r}.")
    return int(number)
