"""Texts that an export runs through the model: to calibrate, to compare, to keep as golden answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from torchless.errors import InputError
from torchless.texts import TEXT_COLUMNS, columns

CALIBRATION_TEXTS = 2000
BUILT_IN = "the built-in sample"


def built_in() -> list[str]:
    """Some two hundred short texts of many kinds, written for this project."""
    return files(__package__).joinpath("sample.txt").read_text(encoding="utf-8").splitlines()


def of_many_lengths() -> list[str]:
    """An empty text, short ones, and joined ones up to beyond any model's limit."""
    lines = built_in()
    joined = [" ".join(lines[start : start + count]) for start, count in ((0, 3), (40, 6), (80, 12), (120, 24))]
    return ["", *lines[::5], *joined, " ".join(lines)]


def golden() -> list[str]:
    """A few texts of different lengths, the empty one among them."""
    lines = built_in()
    return ["", *lines[:6], " ".join(lines[6:10])]


@dataclass(frozen=True)
class Sample:
    """Texts, and words that say where they are from."""

    name: str
    texts: list[str]


@dataclass(frozen=True)
class Labelled(Sample):
    """Texts whose right label is known, as its index."""

    labels: list[int]


def calibration(path: Path | None) -> Sample:
    """At most CALIBRATION_TEXTS texts, evenly spread over a file; the built-in sample for None."""
    if path is None:
        return Sample(BUILT_IN, built_in())
    texts = [text for (text,) in _rows(path, TEXT_COLUMNS) if text.strip()]
    if not texts:
        raise InputError(f"--calibration {path}: expected texts, got none.")
    step = max(1, len(texts) // CALIBRATION_TEXTS)
    chosen = texts[::step][:CALIBRATION_TEXTS]
    return Sample(f"{len(chosen)} texts of {path.name}", chosen)


def labelled(path: Path, labels: Sequence[str]) -> Labelled:
    """The rows of a file with a text and a `label` column; labels by name or by index.

    Raises:
        InputError: the file cannot be read, or a label is not one of the model's; the message says which row.
    """
    by_name = {str(index): index for index in range(len(labels))} | {name: index for index, name in enumerate(labels)}
    sample = Labelled(path.name, [], [])
    for row, (text, label) in enumerate(_rows(path, TEXT_COLUMNS, ("label",)), 1):
        if label not in by_name:
            raise InputError(f"--evaluate {path}, row {row}: expected a label of {', '.join(by_name)}, got {label!r}.")
        sample.texts.append(text)
        sample.labels.append(by_name[label])
    if not sample.texts:
        raise InputError(f"--evaluate {path}: expected labelled texts, got none.")
    return sample


def _rows(path: Path, *wanted: Sequence[str]) -> list[tuple[str, ...]]:
    try:
        with path.open("rb") as file:
            return list(columns(file, path.name, *wanted))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}.") from error
