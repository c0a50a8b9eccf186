"""What callers hand in, checked: texts and whole numbers."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from .errors import InputError


def text_list(texts: Iterable[str]) -> list[str]:
    """Texts as a list, read once: a generator will do.

    Raises:
        InputError: texts is a bare str or bytes, has no order or cannot be iterated over, or an element is not a str
            or holds a lone surrogate; the message says which.
    """
    if isinstance(texts, (str, bytes)):
        raise InputError(f"texts: expected a list of str, got a bare {type(texts).__name__}. Pass [text].")
    if isinstance(texts, (Mapping, AbstractSet)) or not isinstance(texts, Iterable):
        raise InputError(f"texts: expected a list of str, got {type(texts).__name__}.")
    listed = texts if isinstance(texts, list) else list(texts)
    for index, text in enumerate(listed):
        if not isinstance(text, str):
            raise InputError(f"texts[{index}]: expected str, got {type(text).__name__}.")
        refuse_lone_surrogate(text, f"texts[{index}]")
    return listed


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
        InputError: it is none; the message says what was expected.
    """
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if not 1 <= number <= most:
        raise InputError(f"{name}: expected {expected}, got {value!r}.")
    return int(number)
