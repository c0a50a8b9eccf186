"""Columns with dictionaries, which pandas calls categories: their values are written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.input_files import find
from torchless.bulk.job import source_of
from torchless.bulk.kept import folder_of
from torchless.bulk.rows import Wanted
from torchless.errors import InferenceError

arrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")
VALUES = [f"{number:08d}".ljust(100, "x") for number in range(2000)]
ROWS = 100


def written(path: Path, indices: list[int | None], values: list[Any], *, ordered: bool = False, bits: int = 16) -> Any:
    codes = arrow.array(indices, getattr(arrow, f"int{bits}")())
    kinds = arrow.DictionaryArray.from_arrays(codes, values, ordered=ordered)
    table = arrow.table({"text": [f"text {row}" for row in range(len(indices))], "kind": kinds})
    if path.suffix == ".parquet":
        arrow.parquet.write_table(table, path)
        return table
    kind = arrow.ipc.new_stream if path.stem == "stream" else arrow.ipc.new_file
    with kind(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=30)
    return table


def read(path: Path) -> Any:
    return arrow.parquet.read_table(path) if path.suffix == ".parquet" else arrow.ipc.open_file(path).read_all()


@pytest.mark.parametrize("name", ["in.feather", "in.parquet", "stream.arrow"])
@pytest.mark.parametrize("output", ["out.feather", "out.parquet"])
def test_no_chunk_holds_a_dictionary(
    failing: Callable[..., Any], score: Any, tmp_path: Path, name: str, output: str
) -> None:
    table = written(tmp_path / name, [row * 20 % 1999 for row in range(ROWS)], VALUES)
    with pytest.raises(InferenceError):
        score(tmp_path / name, tmp_path / output, failing)
    chunks = list(folder_of(tmp_path / output).glob("*.rows"))
    assert chunks
    assert max(chunk.stat().st_size for chunk in chunks) < 4000
    score(tmp_path / name, tmp_path / output)
    score(tmp_path / name, tmp_path / f"again-{output}")
    assert (tmp_path / output).read_bytes() == (tmp_path / f"again-{output}").read_bytes()
    found = read(tmp_path / output)
    assert found.schema.field("kind").equals(read_schema(tmp_path / name).field("kind"))
    assert found.column("kind").to_pylist() == table.column("kind").to_pylist()


def read_schema(path: Path) -> Any:
    if path.stem == "stream":
        with arrow.ipc.open_stream(path) as reader:
            return reader.schema
    return read(path).schema


@pytest.mark.parametrize("name", ["in.feather", "in.parquet"])
def test_a_dictionary_makes_no_chunk_short(tmp_path: Path, name: str) -> None:
    written(tmp_path / name, [row % 1999 for row in range(2048)], VALUES)
    blocks = list(source_of(find(str(tmp_path / name), None), Wanted(("text",))).blocks(0))
    assert max(size for block in blocks for size in block.sizes) < 200
    assert len(blocks) == (2 if name == "in.parquet" else 69)


def test_the_order_and_the_unused_values_of_a_dictionary_are_kept(score: Any, tmp_path: Path) -> None:
    values = ["low", "middle", "high", "never"]
    written(tmp_path / "in.feather", [2, None, 0] * 15, values, ordered=True, bits=8)
    score(tmp_path / "in.feather", tmp_path / "out.feather")
    kinds = read(tmp_path / "out.feather").column("kind")
    assert kinds.type == arrow.dictionary(arrow.int8(), arrow.string(), ordered=True)
    assert kinds.chunk(0).dictionary.to_pylist() == values
    assert kinds.to_pylist() == ["high", None, "low"] * 15


@pytest.mark.parametrize("output", ["out.feather", "out.parquet"])
@pytest.mark.parametrize(("each", "bits"), [(64, 8), (65, 16), (100, 16)])
def test_dictionaries_of_several_files_may_need_wider_indices(
    score: Any, tmp_path: Path, output: str, each: int, bits: int
) -> None:
    expected = []
    for number in range(2):
        values = [f"{number} {value}" for value in range(each)]
        written(tmp_path / f"in{number}.feather", [*range(each)], values, bits=8)
        expected += values
    score(tmp_path / "in*.feather", tmp_path / output)
    found = read(tmp_path / output).column("kind")
    assert found.to_pylist() == expected
    assert found.type == arrow.dictionary(getattr(arrow, f"int{bits}")(), arrow.string())
