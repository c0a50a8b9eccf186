"""Texts that an export runs through the model: to calibrate, to compare, to keep as golden answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from torchless.bundle.manifest import Manifest, Precision
from torchless.errors import InputError
from torchless.inputs.arguments import Text, TextPair
from torchless.inputs.text_files import LABEL_COLUMNS, TEXT_COLUMNS, columns, format_of

from .conll import is_conll, open_file
from .model_sample import texts_of
from .remedy import BUILT_IN

T = TypeVar("T")

CALIBRATION_TEXTS = 2000
_COMPARED_TEXTS = 1000


def built_in() -> list[str]:
    """184 short texts of many kinds in everyday English, written for this project."""
    return files(__package__).joinpath("sample.txt").read_text(encoding="utf-8").splitlines()


def of_many_lengths() -> list[str]:
    """An empty text, short ones, and joined ones of up to some 2,400 tokens; `longest_text` has the limit of others."""
    lines = built_in()
    joined = [" ".join(lines[start : start + count]) for start, count in ((0, 3), (40, 6), (80, 12), (120, 24))]
    return ["", *lines[::5], *joined, " ".join(lines)]


def pairs_of_many_lengths(max_tokens: int) -> list[TextPair]:
    """Short pairs, an empty second text, and pairs with a long first, second or both: beyond the limit, up to 2,000."""
    lines = built_in()
    # No longer than needed: transformers' time for a pair grows with the product of the lengths that it cuts off.
    long = " ".join(" ".join(lines).split()[:max_tokens])
    short = [TextPair(first, second) for first, second in zip(lines[2:70:10], lines[3:70:10], strict=True)]
    # Eight short ones first, so that parity's batch of eight is not padded to the length of the long ones.
    return [*short, TextPair(lines[0], ""), TextPair(long, lines[1]), TextPair(lines[1], long), TextPair(long, long)]


def golden(*, pairs: bool) -> list[Text]:
    """Some texts of different lengths and rarer words, the empty one among them, and pairs."""
    lines = built_in()
    read_together = [TextPair(lines[2], lines[3]), TextPair(lines[6], " ".join(lines[7:10]))] if pairs else []
    return ["", *read_together, " ".join(lines[6:10]), *lines[::8]]


@dataclass(frozen=True)
class Columns:
    """Where a file has its texts.

    Attributes:
        text: the column; None takes the first of TEXT_COLUMNS that is there.
        pair: that of the second text of each pair; None for single texts.
    """

    text: str | None = None
    pair: str | None = None

    def of(self, path: Path, *more: Sequence[str]) -> tuple[list[Text], list[list[str]]]:
        """The text or pair of each row, and its values in more columns.

        Raises:
            InputError: the file cannot be read, or has no such columns.
        """
        named = (self.text,) if self.text and format_of(path.name) != "text" else TEXT_COLUMNS  # lines have no columns
        wanted = [named, *([(self.pair,)] if self.pair else []), *more]
        texts: list[Text] = []
        others: list[list[str]] = []
        try:
            with open_file(path) as file:
                for first, *rest in columns(file, path.name, *wanted):
                    texts.append(TextPair(first, rest.pop(0)) if self.pair else first)
                    others.append(rest)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}.") from error
        return texts, others


_DEFAULT = Columns()


@dataclass(frozen=True)
class Sample:
    """Texts, and words that say where they are from."""

    name: str
    texts: list[Text]


@dataclass(frozen=True)
class Labelled(Sample):
    """Texts whose right label is known, as its index."""

    labels: list[int]


@dataclass(frozen=True)
class Texts:
    """What an export runs through the model besides parity's texts.

    Attributes:
        labelled: what accuracy is measured on, Labelled or Tagged; None where no file was given.
        calibration: what int8's scales come from.
        compared: what int8 is compared with fp32 on.
        uncalibrated: what fp16 is compared with fp32 on, which calibrates nothing.
    """

    labelled: Sample | None
    calibration: Sample
    compared: Sample
    uncalibrated: Sample

    def compared_on(self, precision: Precision) -> Sample:
        """The texts that a precision is compared with fp32 on."""
        return self.compared if precision == "int8" else self.uncalibrated

    def calibrated_on(self, precision: Precision) -> str | None:
        """The name of the texts that a precision's scales come from; None where it has no scales."""
        return self.calibration.name if precision == "int8" else None


def choose(
    manifest: Manifest,
    calibration_file: str | os.PathLike[str] | None,
    labelled_file: str | os.PathLike[str] | None,
    where: Columns,
    tokenizer: Any,
) -> Texts:
    """The texts of an export, from the files that were given or else those that the model's tokenizer reads.

    Args:
        manifest: of the bundle that is made.
        calibration_file: text for int8's scales.
        labelled_file: text whose labels are known.
        where: the files' columns.
        tokenizer: the model's, of `tokenizers`.

    Raises:
        InputError: a file cannot be read, or does not fit the model that the manifest describes.
    """
    if labelled_file and (manifest.activation == "none" or len(manifest.labels) == 1):
        raise InputError("evaluate: this head answers a number, so no label can be right. Leave the file out.")
    if where.pair and not manifest.pairs:
        raise InputError(f"columns: the bundle reads single texts, got the pairs of column {where.pair!r}.")
    known = labelled(Path(labelled_file), manifest.labels, where) if labelled_file else None
    return gathered(known, calibration_file, where, tokenizer)


def gathered(
    known: Sample | None, calibration_file: str | os.PathLike[str] | None, where: Columns, tokenizer: Any
) -> Texts:
    """The same from labelled texts that have been read."""
    path = Path(calibration_file) if calibration_file else None
    scales, compared = for_int8(path, known, where, of_model(tokenizer))
    return Texts(known, scales, compared, compared if known or calibration_file else scales)


def of_model(tokenizer: Any) -> Sample:
    """The built-in sample for a model, in languages and words that its tokenizer reads; its name says which."""
    texts, what = texts_of(tokenizer, built_in())
    return Sample(f"{BUILT_IN}: {what}" if what else BUILT_IN, list(texts))


def for_int8(
    calibration_file: Path | None, labelled: Sample | None, where: Columns = _DEFAULT, sample: Sample | None = None
) -> tuple[Sample, Sample]:
    """The texts that int8's scales come from, and those that it is compared with fp32 on.

    Without labelled texts, the rows of a calibration file that do not calibrate are compared, where they are no fewer
    than the built-in sample, else the built-in sample. Without files both are the built-in sample, and the second's
    name says so: half of it would be too few texts. There are no built-in pairs, so a file of pairs is always halved.

    Args:
        calibration_file: text for int8's scales.
        labelled: text whose labels are known.
        where: the file's columns.
        sample: the built-in one for the model (`of_model`); None takes the lines of everyday English.
    """
    sample = sample or Sample(BUILT_IN, list(built_in()))
    if calibration_file is None:
        return sample, labelled or Sample(f"{sample.name}, the same texts that calibrated", sample.texts)
    if labelled is not None:
        return calibration(calibration_file, where), labelled
    texts = _not_blank(calibration_file, where)
    if where.pair:
        scales = _sample(texts[::2], calibration_file)
        return scales, _sample(texts[1::2] or texts, calibration_file, "other ", most=_COMPARED_TEXTS)
    places = set(spread(range(len(texts)), CALIBRATION_TEXTS))
    others = [text for place, text in enumerate(texts) if place not in places]
    if len(others) >= len(sample.texts):
        sample = _sample(others, calibration_file, "other ", most=_COMPARED_TEXTS)
    return _sample(texts, calibration_file), sample


def calibration(path: Path, where: Columns = _DEFAULT) -> Sample:
    """At most CALIBRATION_TEXTS texts, evenly spread over a file."""
    return _sample(_not_blank(path, where), path)


def _not_blank(path: Path, where: Columns) -> list[Text]:
    return [text for text in where.of(path)[0] if not isinstance(text, str) or text.strip()]


def _sample(texts: Sequence[Text], path: Path, which: str = "", most: int = CALIBRATION_TEXTS) -> Sample:
    if not texts:
        raise InputError(f"--calibration {path}: expected texts, got none.")
    some = spread(texts, most)
    return Sample(f"{len(some)} {which}texts of {path.name}", some)


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most this many of the items, evenly."""
    places = np.linspace(0, len(items) - 1, min(len(items), count)).astype(int)
    return [items[place] for place in places]


def labelled(path: Path, labels: Sequence[str], where: Columns = _DEFAULT) -> Labelled:
    """The rows of a file with a text and a `label` column; labels by name, or all of them by index.

    Raises:
        InputError: the file cannot be read or has tags of tokens, a label is not one of the model's (the message says
            which row), or labels could be names as well as indices.
    """
    if is_conll(path):
        raise InputError(
            f"--evaluate {path}: expected labelled texts, because this model classifies whole texts, got CoNLL, whose "
            "tags are those of tokens. Pass a .csv, .tsv, .jsonl or .json file with a text and a label per row."
        )
    texts, rows = where.of(path, LABEL_COLUMNS)
    if not rows:
        raise InputError(f"--evaluate {path}: expected labelled texts, got none.")
    given = [label for (label,) in rows]
    found = set(given)
    names = {name: index for index, name in enumerate(labels)}
    indices = {str(index): index for index in range(len(labels))}
    decimals = {f"{index}.0": index for index in range(len(labels))}  # pandas writes a column with a missing label so
    readings = [reading for reading in (names, indices, decimals) if found <= reading.keys()]
    if not readings:
        likelier = max((names, indices), key=lambda reading: sum(label in reading for label in given))
        row, label = next((row, label) for row, label in enumerate(given, 1) if label not in likelier)
        several = " Rows with several labels cannot be measured." if set(label.split(",")) <= likelier.keys() else ""
        raise InputError(
            f"--evaluate {path}, row {row}: expected a label of {', '.join(likelier)}, got {label!r}.{several}"
        )
    if any(reading[label] != readings[0][label] for reading in readings for label in found):
        raise InputError(
            f"--evaluate {path}: the labels {', '.join(sorted(found))} are names of labels and indices of others. "
            "Rename the model's labels (id2label), or write names that are no numbers."
        )
    return Labelled(path.name, texts, [readings[0][label] for label in given])
