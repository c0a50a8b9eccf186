"""Lines that end with carriage returns alone, as old Mac programs and some spreadsheets write them.

No reader here ends a line there, so that such a file would be one line: a table without rows, or one text.
"""

from __future__ import annotations

from torchless.errors import InputError


def refuse_lone_returns(first: str, name: str, kind: str) -> None:
    """Refuse a file by its first line.

    Args:
        first: the line with its end, which is the whole file where it holds no line feed.
        name: the file's, for messages.
        kind: its format; only "tsv" and "text" are looked at, as csv and JSON complain themselves.

    Raises:
        InputError: a TSV file has a carriage return within its header, outside quotes; or a file of plain lines has no
            line feed, and several carriage returns.
    """
    if kind == "tsv":
        found = any("\r" in field and not _is_quoted(field) for field in first.rstrip("\r\n").split("\t"))
    else:  # one alone may stand in a text
        found = kind == "text" and not first.endswith("\n") and first.count("\r") > 1
    if found:
        raise InputError(
            f"{name}: expected lines that end with line feeds, got carriage returns alone. Convert it first, for "
            "example with: tr '\\r' '\\n'"
        )


def _is_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'
