"""What the command line writes: answers whole or not at all, and what became of long texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import stderr
from .stdout import stdout

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def visible(text: str) -> str:
    """A line with its control characters spelled out: a terminal would obey them."""
    return text.translate(_CONTROLS)


def report_truncated(truncated: int, count: int, limit: int) -> None:
    """Say on stderr how many texts lost their end."""
    if truncated:
        stderr.say(f"{truncated} of {count} texts were truncated to {limit} tokens")


def report_windows(windowed: int, count: int) -> None:
    """Say on stderr how many texts took more than one window."""
    if windowed:
        stderr.say(f"{windowed} of {count} texts were read in several windows")


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
