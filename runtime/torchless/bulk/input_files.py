"""Which files a name means, and what tells whether they are the same as before."""

from __future__ import annotations

import glob
import hashlib
import io
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from torchless.atomic_files import writing as writing_file
from torchless.errors import InputError

from .compression import reading
from .formats import READABLE, Format, readable_format, split_name

STDIN = "-"
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_HIDDEN = (".", "_")  # what names of files and folders begin with that are nobody's input
_NULL = "__HIVE_DEFAULT_PARTITION__"
_PIECE = 1 << 20


@dataclass(frozen=True)
class InputFile:
    """A file of the input.

    Attributes:
        name: what messages call it.
        path: where it lies.
        format: how it is written.
        size: in bytes.
        changed_ns: when it was changed, in nanoseconds since 1970.
        folders: the columns that the names of its folders hold (date=2024-01-01), with their values.
    """

    name: str
    path: Path
    format: Format
    size: int
    changed_ns: int
    folders: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def at(cls, path: Path, name: str, written: Format, folders: tuple[tuple[str, str | None], ...] = ()) -> InputFile:
        """The file as it is now.

        Raises:
            InputError: it is not there, or no regular file.
        """
        try:
            found = path.stat()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise InputError(f"--input {name}: {getattr(error, 'strerror', None) or error}.") from error
        if not path.is_file():
            raise InputError(f"--input {name}: expected a file or a folder of files. For a stream give - as its name.")
        return cls(name, path, written, found.st_size, found.st_mtime_ns, folders)

    @contextmanager
    def opened(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """The file decompressed, and as it lies on the disk, where `tell` says how much has been read.

        Raises:
            InputError: it cannot be read, from inside the block too.
        """
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}.") from error
        with file, reading(file, self.format.compression, self.name) as plain:
            yield plain, file

    def refuse_change(self) -> None:
        """Compare size and time with those of before.

        Raises:
            InputError: they differ, or the file is gone.
        """
        now = InputFile.at(self.path, self.name, self.format)
        if (now.size, now.changed_ns) != (self.size, self.changed_ns):
            raise InputError(f"{self.name} was changed while it was read. Start again with --restart.")

    def sha256(self) -> str:
        """The digest of its bytes.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}.") from error


def digest(files: Sequence[InputFile]) -> str:
    """What tells two inputs apart: the sha256 of the contents of all files, in order."""
    return hashlib.sha256("\n".join(file.sha256() for file in files).encode()).hexdigest()


def find(name: str, kind: str | None, left_out: Collection[Path] = ()) -> list[InputFile]:
    """The files of an input: a file, those of a folder (with its folders), or those that a pattern matches, by name.

    Args:
        name: a path or a pattern with *, ? or [.
        kind: the format, where the user has named it.
        left_out: real paths of files and folders that a folder or a pattern does not mean.

    Raises:
        InputError: there is no such file, or none that can be read, or two formats are mixed.
    """
    path = Path(name)
    try:
        folder, there = path.is_dir(), path.exists()
    except ValueError as error:  # a NUL in the name
        raise InputError(f"--input {name}: {error}.") from error
    if not folder and (there or not glob.has_magic(name)):
        return [InputFile.at(path, name, readable_format(name, kind))]
    paths = _within(path, {os.path.realpath(path)}) if folder else map(Path, glob.glob(name, recursive=True))  # noqa: PTH207
    visible = [each for each in paths if each.is_file() and not each.name.startswith(_HIDDEN)]
    visible = [each for each in visible if not (left_out and _is_within(each, left_out))]
    if folder:  # beside the tables other things may lie; a pattern says what it wants
        visible = [each for each in visible if _is_input(each, kind)]
    if not visible:
        known = ", ".join(filter(None, READABLE))
        what = f"the folder has no file with one of the extensions {known}" if folder else "no file matches"
        raise InputError(f"--input {name}: {what}.")
    begin = path if folder else _begin(path)
    files = [
        InputFile.at(each, str(each), readable_format(str(each), kind), _columns_of(each, begin))
        for each in sorted(visible)
    ]
    kinds = {file.format.kind: file.name for file in files}
    if len(kinds) > 1:
        listed = ", ".join(f"{kind} ({example})" for kind, example in kinds.items())
        raise InputError(
            f"--input {name}: expected files of one format, got {listed}. Give a pattern, such as '*.csv'."
        )
    return files


def _within(folder: Path, seen: set[str]) -> Iterator[Path]:
    """The files of a folder and of its folders, linked ones too, each folder once.

    Args:
        folder: where to look.
        seen: real paths of the folders that were looked at, this one among them.

    Raises:
        InputError: a folder cannot be read.
    """
    try:
        found = [(each, each.is_dir()) for each in folder.iterdir() if not _is_left_out(each.name)]
    except OSError as error:
        raise InputError(f"--input {folder}: {error.strerror or error}.") from error
    yield from (each for each, is_folder in found if not is_folder)
    folders = [each for each, is_folder in found if is_folder]
    for each in sorted(folders, key=lambda each: (each.is_symlink(), each)):  # a link beside its folder comes too late
        if (real := os.path.realpath(each)) not in seen:
            seen.add(real)
            yield from _within(each, seen)


def _begin(pattern: Path) -> Path:
    """The folder in which a pattern begins to match."""
    return next(each for each in pattern.parents if not glob.has_magic(str(each)))


def _columns_of(path: Path, begin: Path) -> tuple[tuple[str, str | None], ...]:
    """What the names of folders below `begin` say of a file, as Hive, Spark and pyarrow write them."""
    pairs = [part.partition("=") for part in path.relative_to(begin).parts[:-1]]
    return tuple((unquote(key), None if value == _NULL else unquote(value)) for key, is_, value in pairs if key and is_)


def _is_left_out(name: str) -> bool:
    """Whether a name in a folder is nobody's input: a hidden one, what a run keeps, what a file system keeps."""
    return name.startswith(_HIDDEN) or name.endswith(".unfinished") or name == "lost+found"


def _is_within(path: Path, left_out: Collection[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return any(each in left_out for each in (real, *real.parents))


def _is_input(path: Path, kind: str | None) -> bool:
    extension = split_name(path.name)[0]
    return bool(extension) and (kind is not None or extension in READABLE)


def spool(stdin: IO[bytes], path: Path, kind: str) -> InputFile:
    """Write a stream to a file, because it can be read only once; its first bytes say how it is compressed.

    Raises:
        InputError: the stream cannot be read.
        OutputError: the disk is full.
    """
    pieces = _pieces(stdin)
    first = next(pieces, b"")
    with writing_file(path), path.open("wb") as file:
        file.write(first)
        for piece in pieces:
            file.write(piece)
    compression = next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)
    return InputFile.at(path, "stdin", Format(kind, compression))


def _pieces(stdin: IO[bytes]) -> Iterator[bytes]:
    """What a stream holds; its errors are no OSError, which would look like one of the file that is written."""
    try:
        while piece := stdin.read(_PIECE):
            yield piece
    except io.UnsupportedOperation as error:  # what stands in for a closed stdin cannot be read
        raise InputError("stdin: it is closed.") from error
    except OSError as error:
        raise InputError(f"stdin: {error.strerror or error}.") from error
