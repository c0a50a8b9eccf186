"""A CSV file of texts into one with their labels: the time that a contender takes for it."""

from __future__ import annotations

import csv
import gc
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from torchless_bench.contenders.contender import LoadedContender

_CHUNK = 4096  # rows that are read, answered and written together


def time(contender: LoadedContender, texts: Sequence[str], batch_size: int) -> float:
    """Seconds from opening the input until the output is complete.

    Args:
        contender: who answers.
        texts: of the rows.
        batch_size: as `LoadedContender.whole_list` takes it.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.csv", Path(folder) / "out.csv"
        with source.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "text"])
            rows.writerows(enumerate(texts))
        gc.collect()
        start = perf_counter()
        (contender.whole_file or _by_lists(contender))(source, output, batch_size)
        return perf_counter() - start


def _by_lists(contender: LoadedContender) -> Any:
    """The loop that a careful user would write."""

    def answer(source: Path, output: Path, batch_size: int) -> None:
        table: dict[str, Any] = {"newline": "", "encoding": "utf-8"}
        with source.open(**table) as read, output.open("w", **table) as written:
            rows, out = csv.DictReader(read), csv.writer(written)
            out.writerow(["id", "text", "answer"])
            for chunk in _chunks(rows):
                answers = contender.whole_list([row["text"] for row in chunk], batch_size)
                out.writerows([row["id"], row["text"], answer] for row, answer in zip(chunk, answers, strict=True))

    return answer


def _chunks(rows: Any) -> Any:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk
