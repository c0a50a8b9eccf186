"""Columns that stand in the names of folders and not in the files: date=2024-01-01/part-0.parquet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .columns import Column
from .input_files import InputFile
from .rows import Origin


def folder_columns(files: Sequence[InputFile], present: Collection[str]) -> list[Column]:
    """Those that all files have, without those that the files hold too; none where folders are named in other ways."""
    names = [name for name, _ in files[0].folders]
    if any([name for name, _ in file.folders] != names for file in files):
        return []
    return [Column(name, "string") for name in dict.fromkeys(names) if name not in present]


def folder_values(columns: Sequence[Column], files: Sequence[InputFile], origins: Sequence[Origin]) -> list[list[Any]]:
    """Of each such column one value per row."""
    if not columns:
        return []
    folders = {file.name: dict(file.folders) for file in files}
    return [[folders[name][column.name] for name, _ in origins] for column in columns]
