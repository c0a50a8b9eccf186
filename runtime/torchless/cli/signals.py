"""Signals that end the process: each is an exception, so that `finally` removes what is half done."""

from __future__ import annotations

import signal
import sys
from types import FrameType

_came: list[int] = []


def handle() -> None:
    """Begin to handle SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal was closed), unless nohup and its like do."""
    signal.signal(signal.SIGTERM, _end)
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        signal.signal(hangup, _hang_up)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def came() -> int | None:
    """The first signal that came. C code may turn its exception into another: numpy's import does, into ImportError."""
    return _came[0] if _came else None


def _end(number: int, _: FrameType | None) -> None:
    _came.append(number)
    sys.exit(128 + number)


def _hang_up(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # the shell and the system both send it, and one is enough
    _end(number, frame)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    signal.default_int_handler(number, frame)
