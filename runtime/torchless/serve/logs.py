"""Structured logs: one JSON object per line on stderr. Texts are never logged."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

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


def use_json(level: str) -> None:
    """Write all log records of this process as JSON lines on stderr, uvicorn's among them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Ids of threads and processes, which the lines do not hold: looking them up costs a tenth of a request.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


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
