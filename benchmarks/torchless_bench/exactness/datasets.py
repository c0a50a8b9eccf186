"""Public sets of texts that models are trained and compared on, read from the files that their authors publish."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torchless.errors import InputError
from torchless.inputs.arguments import Text, TextPair
from torchless_export.conll import Row, opened, sentences
from torchless_export.tagging.entities import OUTSIDE

Problem = Literal["single_label_classification", "multi_label_classification", "regression", "token_classification"]


@dataclass(frozen=True)
class Rows:
    """Texts or pairs, and of each the right answer: one float per output of the head.

    For token_classification the texts are words with a blank between them, and there is one float per word: its tag's
    index.
    """

    texts: list[Text]
    targets: list[list[float]]

    def every(self, step: int, start: int = 0) -> Rows:
        """Every so many rows."""
        return Rows(self.texts[start::step], self.targets[start::step])


@dataclass(frozen=True)
class Dataset:
    """One set.

    Attributes:
        problem: what transformers calls `problem_type`; token_classification is none of them.
        labels: names of the head's outputs.
        train: what a model is fine-tuned on; calibration takes its texts from here.
        test: what answers are compared on.
        test_file: the same as its authors publish it; None where it is a part of a file.
    """

    problem: Problem
    labels: tuple[str, ...]
    train: Rows
    test: Rows
    test_file: Path | None = None


def read(name: str, folder: Path) -> Dataset:
    """Read one of DATASETS from its folder, `folder/name`.

    Raises:
        InputError: there is no such set, or a file of it cannot be read.
    """
    if name not in DATASETS:
        raise InputError(f"datasets: expected some of {', '.join(DATASETS)}, got {name!r}.")
    try:
        return DATASETS[name](folder / name)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}.") from error


def _table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _classes(folder: Path, test: str = "test", most: int | None = None) -> Dataset:
    """Files with the columns text and label."""
    train, tested = (_table(folder / f"{part}.tsv")[1:] for part in ("train", test))
    labels = tuple(sorted({row[1] for row in train}))
    one_hot = {label: [float(label == other) for other in labels] for label in labels}

    def rows(table: Sequence[Sequence[str]]) -> Rows:
        return Rows([row[0] for row in table], [one_hot[row[1]] for row in table])

    return Dataset("single_label_classification", labels, rows(train[:most]), rows(tested))


def _emotions(folder: Path) -> Dataset:
    """GoEmotions: text, indices of its labels, id; one file, of which every fourth row is for the test."""
    table = _table(folder / "dev.tsv")
    count = 1 + max(int(index) for row in table for index in row[1].split(","))
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    labels = tuple([*names, "neutral"][:count])
    targets = [[float(str(label) in row[1].split(",")) for label in range(count)] for row in table]
    return _divided("multi_label_classification", labels, Rows([row[0] for row in table], targets))


def _similarity(folder: Path) -> Dataset:
    """STS-B: pairs with a score from 0 to 5 in the fifth column; every fourth row is for the test."""
    table = _table(folder / "sts-dev.tsv")
    texts: list[Text] = [TextPair(row[5], row[6]) for row in table]
    return _divided("regression", ("similarity",), Rows(texts, [[float(row[4])] for row in table]))


def _divided(problem: Problem, labels: tuple[str, ...], rows: Rows) -> Dataset:
    trained = [index for index in range(len(rows.texts)) if index % 4]
    train = Rows([rows.texts[index] for index in trained], [rows.targets[index] for index in trained])
    return Dataset(problem, labels, train, rows.every(4))


def _tags(folder: Path) -> Dataset:
    """WNUT 2017: a token, a tab and its tag per line."""
    paths = [folder / "wnut17train.conll", folder / "emerging.dev.conll"]
    train, test = (_sentences(path) for path in paths)
    found = {row.tag or OUTSIDE for sentence in train for row in sentence}
    labels = (OUTSIDE, *sorted(found - {OUTSIDE}, key=lambda tag: (tag[2:], tag)))
    ids = {label: float(index) for index, label in enumerate(labels)}

    def rows(sentences: Sequence[Sequence[Row]]) -> Rows:
        texts: list[Text] = [" ".join(row.token for row in sentence) for sentence in sentences]
        return Rows(texts, [[ids[row.tag or OUTSIDE] for row in sentence] for sentence in sentences])

    return Dataset("token_classification", labels, rows(train), rows(test), paths[1])


def _sentences(path: Path) -> list[list[Row]]:
    return list(opened(path, sentences))


DATASETS: dict[str, Callable[[Path], Dataset]] = {
    "emotion": _classes,
    "trec": _classes,
    "sst2": lambda folder: _classes(folder, "dev", most=6000),
    "goemotions": _emotions,
    "stsb": _similarity,
    "wnut17": _tags,
}
