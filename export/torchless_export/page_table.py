"""A table on a page of the documentation, of which rows or cells are measured again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchless.atomic_files import replacing

NONE = "-"

Cells = Mapping[str, str]  # by column
Key = tuple[str, ...]  # what names a row: its first cells


@dataclass(frozen=True)
class PageTable:
    """A table in Markdown, found by its header.

    Attributes:
        columns: their names.
        keys: how many of the first ones name a row. Rows are sorted by them.
    """

    columns: tuple[str, ...]
    keys: int = 1

    @property
    def header(self) -> str:
        """Its first line."""
        return f"| {' | '.join(self.columns)} |"

    def updated(self, page: str, measured: Mapping[Key, Cells]) -> str:
        """The page with these cells in its table, all others as they were."""
        lines = page.splitlines()
        start = lines.index(self.header)
        end = next((place for place in range(start, len(lines)) if not lines[place].startswith("|")), len(lines))
        rows = dict(map(self._parsed, lines[start + 2 : end]))
        for key, cells in measured.items():
            rows[key] = {**rows.get(key, {}), **cells}
        table = [self.header, "|---" * len(self.columns) + "|", *(self._line(key, rows[key]) for key in sorted(rows))]
        return "\n".join([*lines[:start], *table, *lines[end:]]) + "\n"

    def _parsed(self, line: str) -> tuple[Key, Cells]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        return tuple(cells[: self.keys]), dict(zip(self.columns[self.keys :], cells[self.keys :], strict=False))

    def _line(self, key: Key, cells: Cells) -> str:
        return f"| {' | '.join([*key, *(cells.get(column, NONE) for column in self.columns[self.keys :])])} |"

    def rewrite(
        self,
        known: Callable[[], Collection[str]],
        measure: Callable[[str], tuple[Key, Cells]],
        program: str,
        description: str | None,
        arguments: Sequence[str] | None,
    ) -> None:
        """A command line that measures rows of a page's table and puts them in their place.

        Args:
            known: the names of all that can be measured; asked for after --help.
            measure: which row a name is, and its cells.
            program: the command's name.
            description: for --help.
            arguments: the command line; None takes sys.argv.
        """
        parser = argparse.ArgumentParser(prog=program, description=description)
        parser.add_argument("page", metavar="PAGE", type=Path, help="docs/architectures.md")
        parser.add_argument("--only", metavar="A;B", help="names of rows, separated by semicolons (default: all rows)")
        options = parser.parse_args(arguments)
        names = options.only.split(";") if options.only else list(known())
        if unknown := sorted(set(names) - set(known())):
            parser.error(f"--only: expected some of {'; '.join(known())}, got {'; '.join(unknown)}")
        measured = dict(map(measure, names))
        page = self.updated(options.page.read_text(encoding="utf-8"), measured)
        with replacing(options.page) as output:
            output.write(page.encode())
