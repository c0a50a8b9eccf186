"""What callers hand in, checked: texts, pairs of texts and whole numbers."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torchless.errors import InputError, shown

C = TypeVar("C", bound=str)
Side = Literal["right", "left"]  # of a text, in the order in which it is read: its end, its beginning


@dataclass(frozen=True)
class TextPair:
    """Two texts that a model reads together, such as a premise and a hypothesis, or a query and a passage."""

    first: str
    second: str


class NliPair(TextPair):
    """A premise and a hypothesis: where the pair is too long, only the premise is cut."""


Text = str | TextPair


def characters(text: Text | Sequence[str]) -> int:
    """Number of characters of a text, of both texts of a pair together, or of words with a blank after each."""
    if isinstance(text, str):
        return len(text)
    return len(text.first) + len(text.second) if isinstance(text, TextPair) else sum(map(len, text)) + len(text)


def text_list(texts: Iterable[Text], *, pairs: bool) -> list[Text]:
    """Texts as a list, read once: a generator will do. What inherits from str becomes a str of the same characters.

    Args:
        texts: str, or TextPair.
        pairs: whether the model reads pairs.

    Raises:
        InputError: texts is a bare str, bytes, TextPair or table, has no order or cannot be iterated over, an element
            is not a text or holds a lone surrogate, or is a pair given to a model that takes single texts; the message
            says which.
    """
    if isinstance(texts, (str, bytes, TextPair)):
        raise InputError(f"texts: expected a list of str, got a bare {type(texts).__name__}. Pass [text].")
    listed = texts if isinstance(texts, list) else list(iterator(texts, "texts"))
    given = listed
    for index, text in enumerate(given):
        if isinstance(text, str):
            refuse_lone_surrogate(text, f"texts[{index}]")
            if type(text) is not str:
                listed = list(given) if listed is given else listed  # the list may be the caller's
                listed[index] = plain(text)
        else:
            _check_pair(text, f"texts[{index}]", pairs)
    return listed


def plain(text: str) -> str:
    """The characters of what may inherit from str: `str(text)` of an enumeration's member is the member's name."""
    return str.__str__(text)


def pair_list(pairs: Iterable[TextPair | Iterable[str]]) -> list[TextPair]:
    """Pairs as a list, read once.

    Args:
        pairs: each a TextPair, or two str in a tuple, a list or a row of an array.

    Raises:
        InputError: pairs is a bare str, TextPair or DataFrame, has no order or cannot be iterated over, or an element
            is no pair of texts, or holds a lone surrogate; the message says which.
    """
    if isinstance(pairs, (str, bytes, TextPair)):
        raise InputError(f"pairs: expected a list of pairs, got a bare {type(pairs).__name__}. Pass [(first, second)].")
    if _dimensions(pairs) == 2 and hasattr(pairs, "tolist"):  # an array; a DataFrame has no such method
        pairs = pairs.tolist()
    listed = []
    for index, value in enumerate(iterator(pairs, "pairs", "pairs")):
        pair = _pair(value, f"pairs[{index}]")
        _check_pair(pair, f"pairs[{index}]", True)
        listed.append(pair)
    return listed


def _pair(value: Any, where: str) -> TextPair:
    if isinstance(value, TextPair):
        return value
    if not isinstance(value, (str, bytes, Mapping, AbstractSet)):
        with suppress(TypeError, ValueError):  # nothing to iterate over, or not two of it
            first, second = value
            return TextPair(first, second)
    raise InputError(f"{where}: expected a TextPair, or two str in a tuple or list, got {shown(value)}.")


def iterator(values: Any, name: str, what: str = "str") -> Iterator[Any]:
    """What goes over values once; an error that it raises later is the caller's own. `what` they should be is said.

    Raises:
        InputError: they have no order, or are bytes, a table, or nothing that can be iterated over.
    """
    if not isinstance(values, (str, bytes, bytearray, memoryview, Mapping, AbstractSet)):
        with suppress(TypeError):
            # A DataFrame, and an array with more or fewer dimensions than a list: what it goes over are no values.
            if _dimensions(values) == 1:
                return iter(values)
    advice = ""
    if _dimensions(values) == 2:
        advice = " Pass its rows as lists." if what == "pairs" else " Pass one column of it."
    raise InputError(f"{name}: expected a list of {what}, got {type(values).__name__}.{advice}")


def _dimensions(values: Any) -> int:
    """Of an array or a table, polars' and pyarrow's among them, by their shape; 1 of what has none."""
    shape = getattr(values, "shape", None)
    return len(shape) if isinstance(shape, tuple) else 1


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
        str.encode(text)
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, which no "
            "UTF-8 text can hold. Decode the input with errors='replace', or drop it."
        ) from None


def whole_number(value: object, name: str, expected: str, most: int, least: int = 1) -> int:
    """An integer of any kind (numpy's too) from `least` to `most`.

    Raises:
        InputError: it is not one; the message says what was expected.
    """
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except Exception:  # a TypeError, or whatever a class raises there
        number = least - 1
    if not least <= number <= most:
        raise InputError(f"{name}: expected {expected}, got {shown(value)}.")
    return int(number)


def choice(value: Any, name: str, allowed: Sequence[C]) -> C:
    """The one of these strings that a value is.

    Raises:
        InputError: it is not one; the message lists them.
    """
    if isinstance(value, str) and value in allowed:  # an array is compared with nothing
        return allowed[allowed.index(value)]
    raise InputError(f"{name}: expected one of {', '.join(allowed)}, got {shown(value)}.")


def flag(value: Any, name: str) -> bool:
    """True or False, numpy's too, and 1 and 0.

    Raises:
        InputError: it is anything else, such as an array of flags.
    """
    kind = type(value)
    if kind in (bool, int) or (kind.__module__, kind.__name__.strip("_")) == ("numpy", "bool"):  # without importing it
        if value == 0:
            return False
        if value == 1:
            return True
    raise InputError(f"{name}: expected True or False, got {shown(value)}.")
