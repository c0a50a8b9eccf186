"""The finished chunks of a run, kept beside its output until that is complete.

A folder OUTPUT.unfinished holds run.json, which says what the run was asked, and two files for each chunk: its rows as
the output has them, and a summary. A chunk counts once its summary is there. What the run has not made itself stays.
"""

from __future__ import annotations

import errno
import json
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from torchless.atomic_files import replacing, writing
from torchless.errors import InputError

from .rows import Problem

_RUN, _LOCK, _STDIN, _WHOLE = "run.json", "lock", "stdin", "output"
_NAME = rf"(?:{re.escape(_RUN)}|{_LOCK}|{_STDIN}|{_WHOLE}|\d{{8,}}\.(?:rows|json))"
_OURS = re.compile(rf"{_NAME}|\.{_NAME}\..+")  # the second: what was being written when a process was killed
Identity = dict[str, str]


@dataclass
class Totals:
    """What became of some rows.

    Attributes:
        rows: how many there are.
        truncated: how many texts were cut.
        tokens: how many tokens were read; 0 where that is not known.
        counts: how many texts have which label.
        problems: how many rows have no answer.
    """

    rows: int = 0
    truncated: int = 0
    tokens: int = 0
    problems: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Count others' rows too."""
        self.rows += other.rows
        self.truncated += other.truncated
        self.tokens += other.tokens
        self.problems += other.problems
        for label, count in other.counts.items():
            self.counts[label] = self.counts.get(label, 0) + count


def folder_of(output: Path) -> Path:
    """Where the finished chunks of an output are kept."""
    return output.with_name(output.name + ".unfinished")


class Kept:
    """The finished chunks.

    Attributes:
        folder: where they lie.
        stdin: where the input is kept that can be read only once.
        whole: where all chunks are joined.
        totals: of their rows.
        chunks: how many there are.
    """

    def __init__(self, output: Path) -> None:
        """Take the folder for this process.

        Raises:
            InputError: another process works on the same output, or the folder is somebody else's.
            OutputError: the folder cannot be made.
        """
        self.folder = folder_of(output)
        self.stdin, self.whole = self.folder / _STDIN, self.folder / _WHOLE
        self.totals = Totals()
        self.chunks = 0
        with writing(self.folder):
            self.folder.mkdir(mode=0o700, parents=False, exist_ok=True)  # rows may be nobody else's business
            present = {each.name for each in self.folder.iterdir()}
            if present and _LOCK not in present:  # it is the first file that a run makes, and the last that it removes
                raise InputError(
                    f"{self.folder} is where finished rows are kept, and holds other files already. Move it, or name "
                    "another --output."
                )
            self._lock = (self.folder / _LOCK).open("w")
        if not _locked(self._lock):
            self._lock.close()
            raise InputError(f"another process is at work on {output}. Wait for it, or name another --output.")

    def begin(self, identity: Identity, *, restart: bool) -> None:
        """Begin a run, or go on with the one that was begun.

        Args:
            identity: what the run is asked, by the words that a message calls it by.
            restart: drop what is there.

        Raises:
            InputError: what is there was asked something else.
            OutputError: the folder cannot be written.
        """
        for left in self._ours():
            if left.name.startswith("."):
                left.unlink(missing_ok=True)
        before = None if restart else self._before()
        if before is None:
            for left in self._ours():
                if left.suffix in (".rows", ".json"):
                    left.unlink(missing_ok=True)
            with replacing(self.folder / _RUN) as file:
                file.write(json.dumps(identity, indent=1).encode())
            return
        changed = [name for name in {**before, **identity} if before.get(name) != identity.get(name)]
        if changed:
            raise InputError(
                f"{self.folder} holds an unfinished run with another {' and another '.join(changed)}. Repeat the "
                "command of then to continue it, or drop it with --restart."
            )
        while self._whole(self.chunks):
            self.chunks += 1

    def _before(self) -> Identity | None:
        try:
            found = json.loads((self.folder / _RUN).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _ours(self) -> list[Path]:
        """The files that runs have made in the folder."""
        return [each for each in self.folder.iterdir() if _OURS.fullmatch(each.name)]

    def _whole(self, chunk: int) -> bool:
        """Whether a chunk is there as it was written; its totals are counted."""
        rows, summary = self._paths(chunk)
        try:
            found = json.loads(summary.read_bytes())
            size, checksum = _checksum(rows)
        except (OSError, ValueError):
            return False
        if (size, checksum) != (found["size"], found["crc32"]):
            return False
        self.totals.add(Totals(**found["totals"]))
        return True

    def _paths(self, chunk: int) -> tuple[Path, Path]:
        return self.folder / f"{chunk:08}.rows", self.folder / f"{chunk:08}.json"

    def add(self, pieces: Iterable[bytes], totals: Totals, problems: dict[int, Problem]) -> None:
        """Keep a chunk.

        Args:
            pieces: its rows, as the output has them.
            totals: of these rows.
            problems: by the number of their row in the whole input, from 1.

        Raises:
            OutputError: the disk is full.
        """
        rows, summary = self._paths(self.chunks)
        size = checksum = 0
        with replacing(rows) as file:
            for piece in pieces:
                size += file.write(piece)
                checksum = zlib.crc32(piece, checksum)
        found: dict[str, Any] = {"size": size, "crc32": checksum, "totals": asdict(totals)}
        found["problems"] = [{"row": row, **asdict(problem)} for row, problem in problems.items()]
        with replacing(summary) as file:
            file.write(json.dumps(found).encode())
        self.chunks += 1
        self.totals.add(totals)

    def parts(self) -> list[Path]:
        """The rows of every chunk, in order."""
        return [self._paths(chunk)[0] for chunk in range(self.chunks)]

    def problems(self) -> Iterable[dict[str, Any]]:
        """The rows without answer, in order."""
        for chunk in range(self.chunks):
            yield from json.loads(self._paths(chunk)[1].read_bytes())["problems"]

    def remove(self) -> None:
        """Remove the folder, unless somebody has put something into it: the output is complete."""
        self._lock.close()
        with suppress(OSError):
            for each in sorted(self._ours(), key=lambda each: each.name == _LOCK):
                each.unlink(missing_ok=True)
            self.folder.rmdir()

    def leave(self) -> None:
        """Let the folder go; one without a chunk is removed."""
        if self._lock.closed:  # removed, and perhaps another process's by now
            return
        self._lock.close()
        if not any(each.suffix == ".rows" for each in self._ours()):
            self.remove()


def _checksum(path: Path) -> tuple[int, int]:
    size = checksum = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            size += len(piece)
            checksum = zlib.crc32(piece, checksum)
    return size, checksum


def _locked(file: IO[str]) -> bool:
    """Whether this process has the lock now; it ends with the process. Where there are no such locks, it has."""
    with suppress(ImportError):  # Windows
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True
