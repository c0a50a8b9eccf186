"""What a log line holds, and when it is written."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from torchless.serve.logs import log, log_error, use_json


@pytest.fixture
def loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("loggers")
def test_every_event_is_one_json_line_that_is_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    use_json("info")
    log("one", texts=2)
    (one,) = lines()
    assert (one["event"], one["level"], one["texts"]) == ("one", "info", 2)
    log_error("two")
    logging.getLogger("other").warning("three")
    two, three = lines()
    assert (two["event"], two["level"]) == ("two", "error")
    assert (three["event"], three["logger"]) == ("three", "other")
