"""The files of a checkpoint: looked at before they are opened, and never read beyond a size.

A pipe in the place of one would be waited for without end, a device read without end, and a folder or a broken link
taken for a file that is not there, which has defaults.
"""

from __future__ import annotations

import stat
from pathlib import Path

from torchless_export.errors import CheckpointError

MOST_BYTES_OF_SETTINGS = 16 << 20  # as a bundle's manifest
MOST_BYTES_OF_VOCABULARY = 256 << 20  # the largest tokenizer.json of models in use have 40 MB
# What transformers reads beside the weights, by how a name begins.
_READ = (
    *("config", "tokenizer", "vocab", "merges", "special_tokens_map", "added_tokens", "chat_template", "bpe.codes"),
    *("spiece", "spm", "sentencepiece", "source", "target", "emoji", "dict", "generation_config"),
)
_SUFFIXES = {".json", ".txt", ".model", ".jinja", ".codes"}
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_there(path: Path) -> bool:
    """Whether there is a file of that name; links are followed.

    Raises:
        CheckpointError: something else has the name, or it cannot be looked at.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise CheckpointError(f"{path}: expected a file, got a link to nothing.") from None
        return False
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(
            f"{path}: expected a file, got {_KINDS.get(stat.S_IFMT(found.st_mode), 'another thing')}."
        )
    return True


def content_of(path: Path, most: int, *, cut: bool = False) -> bytes:
    """What a file holds.

    Args:
        path: of a file that is there.
        most: bytes that it may have.
        cut: leave out what is beyond, instead of an error.

    Raises:
        CheckpointError: it is no file or larger.
        OSError: it cannot be read.
    """
    if not is_there(path):
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most and not cut:
        raise _too_large(path, most)
    return content[:most]


def refuse_size(path: Path, most: int) -> None:
    """Refuse a file, if there is one, that is larger than any of its kind.

    Raises:
        CheckpointError: it is larger, or no file.
    """
    if is_there(path) and path.stat().st_size > most:
        raise _too_large(path, most)


def refuse_special(folder: Path) -> None:
    """Refuse a folder in which something that is no file has the name of one that transformers may read.

    Raises:
        CheckpointError: there is one; the message names it.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.name.startswith(_READ) and not (path.is_dir() and path.suffix != ".json"):
            is_there(path)


def _too_large(path: Path, most: int) -> CheckpointError:
    return CheckpointError(f"{path}: expected at most {most:,} bytes, got {path.stat().st_size:,}.")
