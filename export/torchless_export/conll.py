"""CoNLL files: a token and its tag per line, a blank line between sentences."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from torchless.errors import InputError, shown
from torchless.inputs.lines import lines

T = TypeVar("T")

EXTENSIONS = (".conll", ".bio", ".iob", ".iob2", ".ner")
_PERHAPS = ("", ".txt", ".tsv")
_BEGINS_A_DOCUMENT, _PREFIXES = "-DOCSTART-", "BIESLU"
_LOOKED_AT = 50  # lines


class Row(NamedTuple):
    """One line: its number, its token, and its tag, which is the last column; None where there is one column."""

    line: int
    token: str
    tag: str | None


def sentences(file: Iterable[bytes], name: str, tags: Collection[str] = ()) -> Iterator[list[Row]]:
    """The sentences of a file, none of them empty.

    Columns are separated by tabs, in lines that have one, else by blanks. Comments (`# …`) before a sentence and
    lines that begin a document are left out.

    Args:
        file: its lines.
        name: the file's name, for messages.
        tags: that are known; a line before a sentence that begins with # and ends in one of them is no comment.

    Raises:
        InputError: the file cannot be read, or is not UTF-8.
    """
    sentence: list[Row] = []
    for number, line in enumerate(lines(file, name), 1):
        row = _row(number, line)
        if row is None or row.token == _BEGINS_A_DOCUMENT:
            if sentence:
                yield sentence
            sentence = []
        elif sentence or not line.startswith("#") or row.tag in tags:
            sentence.append(row)
    if sentence:
        yield sentence


def _row(number: int, line: str) -> Row | None:
    if not line.strip():
        return None
    columns = line.split("\t") if "\t" in line else line.strip(" ").split(" ")
    return Row(number, columns[0], columns[-1] or None if len(columns) > 1 else None)


def is_conll(path: Path) -> bool:
    """Whether a file is CoNLL: by its name, or because most of its first lines end in tags such as O and B-PER.

    Raises:
        InputError: the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in EXTENSIONS or suffix not in _PERHAPS:
        return suffix in EXTENSIONS
    rows = islice(chain.from_iterable(opened(path, sentences)), _LOOKED_AT)
    tagged = [
        row.tag is not None and (row.tag == "O" or (row.tag[1:2] == "-" and row.tag[0] in _PREFIXES)) for row in rows
    ]
    return sum(tagged) > len(tagged) / 2


def opened(path: Path, reader: Callable[[Iterable[bytes], str], Iterator[T]]) -> Iterator[T]:
    """What a reader makes of a file and its name.

    Raises:
        InputError: the file cannot be opened or read, or the reader refuses it.
    """
    try:
        with open_file(path) as file:
            yield from reader(file, path.name)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}.") from error


def open_file(path: Path) -> BinaryIO:
    """A file, open for reading.

    Raises:
        InputError: no file can have such a name.
        OSError: it cannot be opened.
    """
    try:
        return path.open("rb")
    except ValueError as error:  # a NUL, or a character that the system's names cannot have
        raise InputError(f"{shown(str(path))}: expected the name of a file ({error}).") from error
