"""What is refused before any work, and leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.answering import Here
from torchless.bulk.questions import Question
from torchless.errors import InputError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Forty-five rows: five chunks."""
    path = tmp_path / "in.csv"
    path.write_text("id,text\n" + "".join(f"{row},text number {row}\n" for row in range(45)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("files", "source", "output", "complaint"),
    [
        ({"a.xlsx": "x"}, "a.xlsx", "out.csv", "expected one of the extensions"),
        ({"a.csv": "text\n"}, "a.csv", "out.xlsx", "expected one of the extensions"),
        ({"a.csv": "id\n1\n"}, "a.csv", "out.csv", "expected a column text or sentence, got id"),
        ({"a.csv": "text,label\n1,2\n"}, "a.csv", "out.csv", "has a column label already.*--prefix"),
        ({"a.csv": "text\n1\n", "b.csv": "text\n1\n"}, "a.csv", "b.csv", "the file exists"),
        ({"a.csv": "text\n1\n"}, "a.csv", "none/out.csv", "there is no folder"),
        ({"a.csv": "text\n1\n"}, "missing.csv", "out.csv", "No such file"),
        ({"d/a.md": "text\n1\n"}, "d", "out.csv", "the folder has no file with one of the extensions"),
        ({"a.csv": "text\n1\n"}, "*.tsv", "out.csv", "no file matches"),
        ({"d/a.csv": "text\n1\n", "d/b.jsonl": "{}"}, "d", "out.csv", "expected files of one format"),
        ({"d/a.csv": "text\n1\n", "d/b.csv": "text,x\n1,2"}, "d", "out.csv", "expected the columns of"),
        ({"a.csv.gz": "text\n1\n"}, "a.csv.gz", "out.csv", "cannot be read"),
        ({"a.csv": "text,x,x\n1,2,3\n"}, "a.csv", "out.jsonl", "two columns are called x"),
        ({"a.csv": "text,x,x\n1,2,3\n"}, "a.csv", "out.parquet", "two columns are called x"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    score: Any, tmp_path: Path, files: dict[str, str], source: str, output: str, complaint: str
) -> None:
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    before = sorted(tmp_path.rglob("*"))

    def loaded(_question: Question) -> Here:
        raise AssertionError("no model is loaded")

    with pytest.raises(InputError, match=complaint):
        score(tmp_path / source, tmp_path / output, loaded)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_input_is_never_the_output(score: Any, source: Path, overwrite: bool) -> None:
    with pytest.raises(InputError, match="expected another file than the input"):
        score(source, source, overwrite=overwrite)


def test_the_input_by_another_name_is_never_the_output(score: Any, source: Path, tmp_path: Path) -> None:
    """A hard link, as file systems that ignore case and second mounts show a file."""
    (tmp_path / "IN.csv").hardlink_to(source)
    (tmp_path / "out.csv.errors.jsonl").write_text('{"row": 1, "file": "in.csv", "reason": "null", "text": "a"}\n')
    (tmp_path / "list.jsonl").hardlink_to(tmp_path / "out.csv.errors.jsonl")
    with pytest.raises(InputError, match="expected another file than the input"):
        score(source, tmp_path / "IN.csv", overwrite=True)
    with pytest.raises(InputError, match="is made by writing"):
        score(tmp_path / "list.jsonl", tmp_path / "out.csv", overwrite=True)
