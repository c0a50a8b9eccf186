"""Times keep their digits: those of Spark in Parquet, and those that become text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.json_values import readable
from torchless.errors import InputError

arrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")


def moments(values: list[int | None], unit: str) -> Any:
    column = arrow.array(values, arrow.timestamp(unit))
    lists = arrow.ListArray.from_arrays(range(len(values) + 1), column)
    return arrow.table({"text": ["a"] * len(values), "when": column, "list": lists, "map": mapped(column)})


def mapped(column: Any) -> Any:
    keys = [f"key {row}" for row in range(len(column))]
    return arrow.MapArray.from_arrays(range(len(column) + 1), keys, column)


YEAR_1, YEAR_9999 = -62_135_596_800_000_000, 253_402_214_400_000_000  # microseconds


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([YEAR_1, YEAR_9999, None, 1_577_840_523_456_789], "us"),
        ([1_577_840_523_456_789], "us"),
        ([1_577_840_523_456_789_123, None], "ns"),
    ],
)
def test_spark_timestamps_are_kept_exactly(score: Any, tmp_path: Path, values: list[int | None], unit: str) -> None:
    table = moments(values, unit)
    arrow.parquet.write_table(table, tmp_path / "in.parquet", use_deprecated_int96_timestamps=True)
    score(tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = arrow.parquet.read_table(tmp_path / "out.parquet")
    for name in ("when", "list", "map"):
        assert str(found.schema.field(name).type).count(f"timestamp[{unit}]") == 1
        assert readable(arrow, found.column(name)).to_pylist() == (readable(arrow, table.column(name)).to_pylist())


def test_spark_timestamps_that_no_type_holds_together_are_refused(score: Any, tmp_path: Path) -> None:
    options = {"use_deprecated_int96_timestamps": True}
    arrow.parquet.write_table(moments([YEAR_9999], "us"), tmp_path / "in-1.parquet", **options)
    arrow.parquet.write_table(moments([1_577_840_523_456_789_123], "ns"), tmp_path / "in-2.parquet", **options)
    with pytest.raises(InputError, match="no type of Arrow holds together"):
        score(tmp_path / "in-*.parquet", tmp_path / "out.parquet")


INSIDE: dict[str, Callable[[Any], Any]] = {
    "map": mapped,
    "list_view": lambda column: arrow.ListViewArray.from_arrays([0], [1], column),
    "run_end_encoded": lambda column: arrow.RunEndEncodedArray.from_arrays(arrow.array([1], arrow.int32()), column),
}


@pytest.mark.parametrize("output", ["out.csv", "out.tsv", "out.jsonl"])
@pytest.mark.parametrize("kind", INSIDE)
def test_times_inside_any_column_become_text(score: Any, tmp_path: Path, output: str, kind: str) -> None:
    """Python's own times have no nanoseconds."""
    column = arrow.array([1_577_840_523_456_789_123], arrow.timestamp("ns"))
    table = arrow.table({"text": ["a"], "times": INSIDE[kind](column)})
    with arrow.ipc.new_file(tmp_path / "in.arrow", table.schema) as writer:
        writer.write_table(table)
    score(tmp_path / "in.arrow", tmp_path / output)
    assert "2020-01-01 01:02:03.456789123" in (tmp_path / output).read_text()
