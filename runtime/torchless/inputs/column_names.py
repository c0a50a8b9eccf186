"""The names that columns of text files go by."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torchless.errors import InputError

TEXT_COLUMNS = ("text", "sentence")  # usual names in data sets, where no column is named
LABEL_COLUMNS = ("label",)


def first_present(names: Sequence[str], present: Collection[str], where: str) -> str:
    """The first of the names that is there.

    Raises:
        InputError: none is, or a column of that name is there twice; `where` begins the message.
    """
    for name in names:
        if name in present:
            if isinstance(present, Sequence) and (count := present.count(name)) > 1:  # an object's keys are unique
                raise InputError(f"{where}: expected one column {name}, got {count}.")
            return name
    raise InputError(f"{where}: expected a column {' or '.join(names)}, got {', '.join(present) or 'none'}.")
