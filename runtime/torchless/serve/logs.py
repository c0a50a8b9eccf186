"""Structured logs: one JSON object a line on stderr. Texts are never logged."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

_LOGGER = logging.getLogger("torchless.serve")
_ENCODER = msgspec.json.Encoder()
_TOGETHER_S = 0.1  # a write a request would take a tenth of the requests that a server can answer


def log(event: str, **fields: Any) -> None:
    """One event with its fields; whoever embeds the application sees it as the logger `torchless.serve`."""
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.handle(_record(event, logging.INFO, fields))


def log_error(event: str, **fields: Any) -> None:
    """One event that somebody has to look at."""
    if _LOGGER.isEnabledFor(logging.ERROR):
        _LOGGER.handle(_record(event, logging.ERROR, fields))


def use_json(level: str) -> None:
    """Write all log records of this process as JSON lines on stderr, uvicorn's among them."""
    handler = _Lines()
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # What nobody reads costs a tenth of a request.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _record(event: str, level: int, fields: dict[str, Any]) -> logging.LogRecord:
    """A record without the search for the line of code that it came from."""
    record = logging.LogRecord(_LOGGER.name, level, "", 0, event, None, None)
    record.fields = fields
    return record


class _Lines(logging.Handler):
    """Writes to stderr; in an event loop ten times a second, and at once from a warning on."""

    def __init__(self) -> None:
        super().__init__()
        self._pending: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._pending.append(self.format(record))
        if record.levelno >= logging.WARNING:
            self.flush()
        elif len(self._pending) == 1:
            try:
                asyncio.get_running_loop().call_later(_TOGETHER_S, self.flush)
            except RuntimeError:  # a thread without a loop
                self.flush()

    def flush(self) -> None:
        with self.lock:  # type: ignore[union-attr]  # it has one from its creation
            lines, self._pending = self._pending, []
            if lines:
                sys.stderr.write("\n".join([*lines, ""]))
                sys.stderr.flush()


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != _LOGGER.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line).decode()
