"""Structured logs: one JSON object per line on stderr. Texts are never logged."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from .log_writer import DirectWriter, LogWriter

_LOGGER = logging.getLogger("torchless.serve")
_ENCODER = msgspec.json.Encoder()


def log(event: str, **fields: Any) -> None:
    """Log one event with its fields, under the logger `torchless.serve`."""
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.handle(_record(event, logging.INFO, fields))


def log_error(event: str, **fields: Any) -> None:
    """Log one event that an operator has to look at."""
    if _LOGGER.isEnabledFor(logging.ERROR):
        _LOGGER.handle(_record(event, logging.ERROR, fields))


def use_json(level: str, *, thread: bool = True) -> None:
    """Write all log records of this process as JSON lines on stderr, uvicorn's among them.

    Args:
        level: the lowest that is written.
        thread: write them in a thread, which a process that forks must not have.
    """
    handler = LogWriter(sys.stderr) if thread else DirectWriter(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    logging.captureWarnings(True)  # Python would write them to stderr itself, and wait
    root.setLevel(level.upper())
    # Ids of threads and processes, which the lines do not hold: looking them up costs a tenth of a request.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def dropped_lines() -> int:
    """How many log lines were not written, because stderr was full, closed or not read."""
    return sum(handler.dropped for handler in logging.getLogger().handlers if isinstance(handler, LogWriter))


def flush() -> None:
    """Wait until all lines are written, but at most a second."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _record(event: str, level: int, fields: dict[str, Any]) -> logging.LogRecord:
    """A record; unlike `Logger.info` this does not search for the line of code that it came from."""
    record = logging.LogRecord(_LOGGER.name, level, "", 0, event, None, None)
    record.fields = fields
    return record


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
