"""What a run has measured so far, kept in its work folder, so that `--resume` goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torchless.errors import InputError

NAME = "measured.jsonl"
Run = Mapping[str, Any]  # what must be the same for the rest of a run: options, files, versions, machine


class Journal:
    """Measurements by key. Each is on the disk before the run goes on; without a file they are kept in memory alone.

    The file's first line says what the run is, each other line is one measurement. A run that is killed while it writes
    leaves half a line at most, which counts as not measured.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._values: dict[tuple[str, ...], Any] = {}

    @classmethod
    def begin(cls, work: Path, run: Run) -> Journal:
        """A journal without measurements; one of an earlier run in this folder is replaced."""
        journal = cls(work / NAME)
        (work / NAME).unlink(missing_ok=True)
        journal._append({"run": dict(run)})
        return journal

    @classmethod
    def resume(cls, work: Path, run: Run) -> Journal:
        """The journal of the run that was interrupted; where there is none, a new one.

        Raises:
            InputError: that run was another one, or the file is not a journal.
        """
        path = work / NAME
        complete = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""
        if not complete:
            return cls.begin(work, run)
        try:
            first, *rest = [json.loads(line) for line in complete.splitlines()]
            begun, values = first["run"], {tuple(line["key"]): line["value"] for line in rest}
        except (ValueError, KeyError, TypeError):
            raise InputError(f"--resume: {path} is not what a run writes. Leave --resume out to begin anew.") from None
        _refuse_another(path, begun, json.loads(json.dumps(dict(run))))
        os.truncate(path, len(complete) + 1)
        journal = cls(path)
        journal._values = values
        return journal

    def __len__(self) -> int:
        return len(self._values)

    def found(self, *key: str) -> Any:
        """What was measured; None if it was not."""
        return self._values.get(key)

    def keep(self, value: Any, *key: str) -> None:
        """Keep a measurement, which JSON can hold."""
        self._values[key] = value
        self._append({"key": key, "value": value})

    def once(self, measure: Callable[[], Any], *key: str) -> Any:
        """What was measured, or else is measured now."""
        if key not in self._values:
            self.keep(measure(), *key)
        return self._values[key]

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _refuse_another(path: Path, begun: Run, now: Run) -> None:
    """Refuse to mix what two different runs measure.

    Raises:
        InputError: something differs; the message names all of it.
    """
    names = [name for name in dict.fromkeys([*begun, *now]) if begun.get(name) != now.get(name)]
    if names:
        changes = "; ".join(f"{name}: {_shown(begun.get(name))} then, {_shown(now.get(name))} now" for name in names)
        raise InputError(
            f"--resume: the run in {path.parent} was another one ({changes}). "
            "Give what it was begun with, or leave --resume out to begin anew."
        )


def _shown(value: Any) -> str:
    return "none" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)
