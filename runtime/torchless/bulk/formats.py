"""Formats and compressions of tables, by the names of their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torchless.errors import InputError
from torchless.inputs.text_files import EXTENSIONS

READABLE = {**EXTENSIONS, ".parquet": "parquet", ".arrow": "arrow", ".ipc": "arrow", ".feather": "feather"}
WRITABLE = {extension: kind for extension, kind in READABLE.items() if kind not in ("json", "text")}
ARROW = ("parquet", "arrow", "feather")  # what pyarrow reads and writes
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Format:
    """How a file is written.

    Attributes:
        kind: "csv", "tsv", "jsonl", "json", "text", "parquet", "arrow" or "feather".
        compression: "gzip", "zstd", or None.
    """

    kind: str
    compression: str | None = None

    @property
    def arrow(self) -> bool:
        """Whether pyarrow reads and writes it."""
        return self.kind in ARROW


def split_name(name: str) -> tuple[str, str | None]:
    """A name's extension without a compression's, and that compression."""
    path = Path(name.rstrip("."))
    compression = COMPRESSIONS.get(path.suffix.lower())
    return (path.with_suffix("").suffix if compression else path.suffix).lower(), compression


def readable_format(name: str, kind: str | None = None) -> Format:
    """The format of an input.

    Args:
        name: its name.
        kind: the format where the user has named it; the name then only says how it is compressed.

    Raises:
        InputError: the extension is not known.
    """
    extension, compression = split_name(name)
    if kind is None and extension not in READABLE:
        known = ", ".join(filter(None, READABLE))
        raise InputError(
            f"{name}: expected one of the extensions {known} or none, each also with .gz or .zst, got {extension}. "
            "Name its format with --input-format."
        )
    return Format(kind or READABLE[extension], compression)


def is_table(name: str) -> bool:
    """Whether an output of that name is a table: rows with their columns."""
    return split_name(name)[0] in WRITABLE


def writable_format(name: str) -> Format:
    """The format of an output.

    Raises:
        InputError: the extension is not one of WRITABLE.
    """
    extension, compression = split_name(name)
    if extension not in WRITABLE:
        raise InputError(
            f"--output {name}: expected one of the extensions {', '.join(WRITABLE)}, each also with .gz or .zst, "
            f"got {extension or 'none'}."
        )
    return Format(WRITABLE[extension], compression)


def refuse_unknown(name: str) -> None:
    """Refuse an output that is neither a table nor a list of answers for people to read.

    Raises:
        InputError: its extension is neither one of WRITABLE, nor .txt or none.
    """
    if Path(name).suffix.lower() not in ("", ".txt", ".npy"):
        writable_format(name)
