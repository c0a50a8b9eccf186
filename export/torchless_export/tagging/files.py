"""Files of tagged texts: CoNLL, and JSON with spans, or with words and their tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from torchless.errors import InputError
from torchless.inputs import json_rows
from torchless.inputs.arguments import Text, refuse_lone_surrogate
from torchless.inputs.column_names import TEXT_COLUMNS, first_present
from torchless.inputs.text_tokens import word_places
from torchless_export import conll
from torchless_export.conll import opened
from torchless_export.samples import Columns, Sample

from .entities import Entity, Place, Scheme, trimmed

_SPANS, _WORDS, _TAGS = ("spans", "entities"), ("tokens", "words"), ("tags", "ner_tags", "labels")
_JSON = {
    ".jsonl": json_rows.objects_of_lines,
    ".ndjson": json_rows.objects_of_lines,
    ".json": json_rows.objects_of_json,
}
_NO_TAGS = (".csv",)
_SHOWN = 12  # tags in a message


@dataclass(frozen=True)
class LabelledText:
    """A text and what is right to find in it.

    Attributes:
        text: words are separated by a blank.
        entities: their places and types.
        words: the places of its words; None of a text that was not given as words.
    """

    text: str
    entities: frozenset[Entity]
    words: tuple[Place, ...] | None


@dataclass(frozen=True)
class Tagged(Sample):
    """Texts whose entities are known."""

    tagged: list[LabelledText]


@dataclass(frozen=True)
class TaggedColumns(Columns):
    """Where a tagger's files have their texts: besides those of a classifier, CoNLL and lists of words are read."""

    def of(self, path: Path, *more: Sequence[str]) -> tuple[list[Text], list[list[str]]]:
        """The text of each row, or sentence; `more` as in `Columns`.

        Raises:
            InputError: the file cannot be read, or has no texts.
        """
        if more or self.pair:
            return super().of(path, *more)
        suffix = path.suffix.lower()
        if suffix in _JSON:
            return [_text(item, where, self)[0] for where, item in opened(path, _JSON[suffix])], []
        if conll.is_conll(path):
            sentences = opened(path, conll.sentences)
            return [" ".join(row.token for row in sentence) for sentence in sentences], []
        return super().of(path)


def tagged(path: Path, scheme: Scheme, where: Columns) -> Tagged:
    """The texts of a file, and their entities.

    Raises:
        InputError: the file cannot be read or has no texts, a row has no tag or one that the model does not have, or a
            span is not in its text or overlaps another; the message says where.
    """
    suffix, name = path.suffix.lower(), f"--evaluate {path}"
    if suffix in _NO_TAGS:
        raise InputError(
            f"{name}: expected tagged tokens, because this model labels tokens: CoNLL (a token and its tag per line), "
            f"or .jsonl with spans or with tokens and tags. A {suffix} file has none of these."
        )
    if suffix in _JSON:
        found = [_from_json(item, f"--evaluate {at}", scheme, where) for at, item in opened(path, _JSON[suffix])]
    else:
        read = opened(path, lambda file, name: conll.sentences(file, name, scheme.labels))
        found = [_from_conll(sentence, name, scheme) for sentence in read]
    if not found:
        raise InputError(f"{name}: expected tagged texts, got none.")
    return Tagged(path.name, [each.text for each in found], found)


def _from_conll(sentence: Sequence[conll.Row], name: str, scheme: Scheme) -> LabelledText:
    for row in sentence:
        if row.tag is None or not row.token:
            raise InputError(
                f"{name}, line {row.line}: expected a token and its tag, separated by a tab or blanks, got "
                f"{row.token or row.tag!r} alone."
            )
        if row.tag not in scheme.parts:
            raise _unknown(f"{name}, line {row.line}", "tag", scheme.labels, row.tag)
    return _of_words([row.token for row in sentence], [row.tag or "" for row in sentence], scheme)


def _of_words(words: Sequence[str], tags: Sequence[str], scheme: Scheme) -> LabelledText:
    places = word_places(words, " ")
    return LabelledText(" ".join(words), scheme.entities(tags, places), tuple(places))


def _from_json(item: Mapping[str, Any], where: str, scheme: Scheme, columns: Columns) -> LabelledText:
    text, words = _text(item, where, columns)
    if words is not None:
        return _of_words(words, _tags(item, where, len(words), scheme), scheme)
    key = next((key for key in _SPANS if key in item), None)
    if key is None:
        raise InputError(
            f"{where}: expected {' or '.join(_SPANS)} beside the text, or tokens and tags, because this model labels "
            f"tokens, got {', '.join(item)}."
        )
    spans = _list(item[key], f"{where}, {key}")
    entities = sorted(_span(span, f"{where}, {key}[{index}]", text, scheme) for index, span in enumerate(spans))
    for before, after in pairwise(entities):
        if after[0] < before[1]:
            raise InputError(
                f"{where}, {key}: expected spans that do not overlap, got {before[0]} to {before[1]} and {after[0]} to "
                f"{after[1]}. A token has one tag."
            )
    return LabelledText(text, frozenset(entities), None)


def _text(item: Mapping[str, Any], where: str, columns: Columns) -> tuple[str, list[str] | None]:
    """The text of a JSON object, and its words where it is given as these."""
    names = (columns.text,) if columns.text else TEXT_COLUMNS
    words = next((key for key in _WORDS if key in item), None)
    tagged_words = any(key in item for key in _TAGS) and not any(key in item for key in _SPANS)
    if words is not None and (tagged_words or not any(name in item for name in names)):
        listed = _list(item[words], f"{where}, {words}")
        for index, word in enumerate(listed):
            _string(word, f"{where}, {words}[{index}]")
        return " ".join(listed), listed
    key = first_present(names, item, where)
    return _string(item[key], f"{where}, {key}"), None


def _tags(item: Mapping[str, Any], where: str, count: int, scheme: Scheme) -> list[str]:
    """The tag of each word, by its name or its id."""
    key = first_present(_TAGS, item, where)
    tags = _list(item[key], f"{where}, {key}")
    if len(tags) != count:
        raise InputError(f"{where}, {key}: expected {count} tags, one per token, got {len(tags)}.")
    names: list[str] = []
    for index, tag in enumerate(tags):
        if _whole(tag) and 0 <= tag < len(scheme.labels):
            tag = scheme.labels[tag]
        if not isinstance(tag, str) or tag not in scheme.parts:
            raise _unknown(f"{where}, {key}[{index}]", "tag", scheme.labels, tag)
        names.append(tag)
    return names


def _span(span: Any, where: str, text: str, scheme: Scheme) -> Entity:
    """A span without the blanks at its ends."""
    if not isinstance(span, dict):
        raise InputError(f"{where}: expected an object with start, end and label, got {type(span).__name__}.")
    start, end, label = (span.get(key) for key in ("start", "end", "label"))
    if not (_whole(start) and _whole(end) and 0 <= start < end <= len(text)):
        raise InputError(
            f"{where}: expected a start and an end in the text, from 0 to {len(text)} characters, got {start!r} to "
            f"{end!r}."
        )
    if label not in scheme.types:
        raise _unknown(where, "label", scheme.types, label)
    if not text[start:end].strip():
        raise InputError(f"{where}: expected a part of the text, got blanks alone, {start} to {end}.")
    return (*trimmed(text, start, end), label)


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: expected a string, got {type(value).__name__}.")
    refuse_lone_surrogate(value, where)
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"{where}: expected a list, got {type(value).__name__}.")
    return value


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _unknown(where: str, what: str, known: Iterable[str], got: object) -> InputError:
    names = list(known)
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return InputError(f"{where}: expected a {what} of the model, {listed}, got {got!r}.")
