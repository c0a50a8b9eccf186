"""What the command line writes: answers whole or not at all, progress, and what became of long texts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .stdout import stdout
from .text_input import CHUNK_TEXTS


class Progress:
    """A count on stderr for long work, shown only on a terminal."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._shown = False

    def show(self, count: int) -> None:
        """Show how many are done; work that ends within one chunk shows nothing."""
        if count > CHUNK_TEXTS and sys.stderr.isatty():
            self._shown = True
            print(f"\r{count:,} {self._noun}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print(file=sys.stderr)


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def visible(text: str) -> str:
    """A line with its control characters spelled out: a terminal would obey them."""
    return text.translate(_CONTROLS)


def report_truncated(truncated: int, count: int, limit: int) -> None:
    """Say on stderr how many texts lost their end."""
    if truncated:
        print(f"torchless: {truncated} of {count} texts were cut to {limit} tokens", file=sys.stderr)


def report_windows(windowed: int, count: int) -> None:
    """Say on stderr how many texts took more than one window."""
    if windowed:
        print(f"torchless: {windowed} of {count} texts were read in several windows", file=sys.stderr)


def _print(text: str) -> None:
    with stdout():
        print(text, end="", flush=True)


@contextmanager
def text_output(path: str | None) -> Iterator[Callable[[str], object]]:
    """What writes text to stdout, or to a UTF-8 file that appears whole or not at all.

    Raises:
        OutputError: from the function or at the end: the file cannot be written.
    """
    if path is None:
        yield _print
        return
    from torchless.atomic_files import replacing

    with replacing(Path(path)) as output:
        yield lambda text: output.write(text.encode())
