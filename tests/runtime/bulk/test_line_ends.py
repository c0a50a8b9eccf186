"""Files whose lines end with carriage returns alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from torchless.errors import InputError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.tsv", b"text\tid\ra\t1\rb\t2\r"),
        ("in.tsv", b"text\ra\rb"),
        ("in.csv", b"text,id\ra,1\rb,2\r"),
        ("in.txt", b"one\rtwo\r"),
        ("in", b"one\rtwo\rthree"),
    ],
)
def test_carriage_returns_alone_are_refused(score: Any, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"carriage returns alone.*tr |new-line character"):
        score(tmp_path / name, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("in.tsv", b'text\t"i\rd"\r\na\t1\r\nb\rc\t2\r\n', 2),
        ("in.txt", b"10%\r20%\rdone\n", 1),
        ("in.txt", b"one\r", 1),
        ("in.txt", b"one text\rwith one", 1),
        ("in.tsv", b"text\tid\r\r\na\t1\r\r\n", 1),  # csv.writer in Windows' text mode
        ("in.txt", b"\xef\xbb\xbfone\r\ntwo", 2),
        ("in.txt", b"", 0),
    ],
)
def test_other_carriage_returns_are_read(score: Any, tmp_path: Path, name: str, content: bytes, rows: int) -> None:
    (tmp_path / name).write_bytes(content)
    done = score(tmp_path / name, tmp_path / "out.jsonl")
    assert (done.totals.rows, done.totals.problems) == (rows, 0)
