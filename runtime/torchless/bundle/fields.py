"""JSON objects, read field by field; every error names the file and the field."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from torchless.errors import ManifestError
from torchless.inputs.json_depth import is_deeper

# A model with 100,000 labels has 4 MB of names; the golden answers to a few texts then take 10 MB.
_MOST_BYTES, _MOST_BYTES_OF_MANIFEST = 64 << 20, 16 << 20
_MOST_LEVELS = 32
_SHA256 = re.compile("[0-9a-f]{64}")


def parse(data: bytes, file: str) -> Fields:
    """The object that a file holds.

    Raises:
        ManifestError: it is larger or deeper than any bundle's, not UTF-8 JSON, not an object, has a key twice,
            a number that no float holds, or a string that UTF-8 cannot hold.
    """
    refuse_size(len(data), file)
    try:
        values = json.loads(
            data.decode(),
            object_pairs_hook=_without_repetition,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if is_deeper(values, _MOST_LEVELS):  # code that reads or writes it could run out of stack
            raise ValueError(f"more than {_MOST_LEVELS} objects and arrays inside one another")
        json.dumps(values, ensure_ascii=False).encode()  # JSON's escapes can write lone surrogates
    except (ValueError, RecursionError) as error:
        raise ManifestError("the file", "JSON", str(error), file) from error
    return Fields(file, "", values)


def refuse_size(size_bytes: int, file: str) -> None:
    """Refuse a file that is larger than any bundle's, before it is read.

    Raises:
        ManifestError: it is.
    """
    most = _MOST_BYTES_OF_MANIFEST if file == "manifest.json" else _MOST_BYTES
    if size_bytes > most:
        raise ManifestError("the file", f"at most {most:,} bytes", f"{size_bytes:,}", file)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {repeated!r} is repeated")
    return values


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is larger than a float holds")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


class Fields:
    """A JSON object, and its place in the file for error messages.

    Every method raises ManifestError where a field is missing or not what it should be.
    """

    def __init__(self, file: str, where: str, values: Any) -> None:
        self.file = file
        self.where = where
        if not isinstance(values, dict):
            raise self.wrong(where or "the file", "an object", describe(values))
        self.values: dict[str, Any] = values

    def wrong(self, where: str, expected: str, got: str) -> ManifestError:
        """The error about a place in this file."""
        return ManifestError(where, expected, got, self.file)

    def path(self, key: str) -> str:
        """A field's place in the file."""
        return f"{self.where}.{key}" if self.where else key

    def _get(self, key: str, kind: type | tuple[type, ...], expected: str) -> Any:
        value = self.values.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(self.path(key), expected, describe(value) if key in self.values else "nothing")
        return value

    def text(self, key: str) -> str:
        """A string."""
        value: str = self._get(key, str, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None where it is null or not there."""
        return None if self.values.get(key) is None else self.text(key)

    def sha256(self, key: str) -> str:
        """64 hexadecimal digits."""
        value = self.text(key)
        if not _SHA256.fullmatch(value):
            raise self.wrong(self.path(key), "64 hexadecimal digits", describe(value))
        return value

    def integer(self, key: str, least: int, most: int) -> int:
        """A whole number in a range."""
        value: int = self._get(key, int, "a whole number")
        if not least <= value <= most:
            raise self.wrong(self.path(key), f"a whole number from {least} to {most}", describe(value))
        return value

    def boolean(self, key: str) -> bool:
        """True or false."""
        value = self.values.get(key)
        if not isinstance(value, bool):
            raise self.wrong(self.path(key), "true or false", describe(value) if key in self.values else "nothing")
        return value

    def number(self, key: str, least: float, most: float) -> float:
        """A number in a range."""
        value = self._get(key, (int, float), "a number")
        if not least <= value <= most:
            raise self.wrong(self.path(key), f"a number from {least:g} to {most:g}", describe(value))
        return float(value)

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        """One of these strings."""
        value = self.text(key)
        if value not in allowed:
            raise self.wrong(self.path(key), "one of " + ", ".join(allowed), repr(value))
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        values: list[str] = self.sequence(key)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self.wrong(f"{self.path(key)}[{index}]", "a string", describe(value))
        return values

    def sequence(self, key: str) -> list[Any]:
        """A list of anything."""
        values: list[Any] = self._get(key, list, "a list")
        return values

    def mapping(self, key: str) -> Fields:
        """An object."""
        return Fields(self.file, self.path(key), self.values.get(key))

    def items(self) -> list[tuple[str, Fields]]:
        """Its objects by key, where it holds objects only."""
        return [(key, self.mapping(key)) for key in self.values]


def describe(value: Any) -> str:
    """A value's type and its beginning, for an error message."""
    text = json.dumps(value, ensure_ascii=False)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
