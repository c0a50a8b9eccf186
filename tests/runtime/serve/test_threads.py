"""What keeps threads and the event loop out of each other's way."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from torchless.serve.condition import LastFirst
from torchless.serve.logs import log, log_error, use_json


def test_who_went_to_sleep_last_is_woken_first() -> None:
    condition, asleep, woken = LastFirst(), [], []

    def sleeper(name: str) -> None:
        with condition:
            asleep.append(name)
            condition.wait()
            woken.append(name)

    threads = {}
    for name in ("first", "second", "third"):
        threads[name] = threading.Thread(target=sleeper, args=[name], daemon=True)
        threads[name].start()
        while not fell_asleep(condition, asleep, name):
            pass
    for name in ("third", "second", "first"):
        with condition:
            condition.notify()
        threads[name].join(10)
    assert woken == ["third", "second", "first"]
    with condition:
        condition.notify_all()  # nobody is left, and nobody minds


def fell_asleep(condition: LastFirst, asleep: list[str], name: str) -> bool:
    with condition:  # it is free only before a sleeper has it, and once it sleeps
        return name in asleep


@pytest.fixture
def json_logs() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    use_json("info")
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("json_logs")
def test_lines_are_written_together_soon_after_and_at_once_with_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def events() -> list[str]:
        return [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]

    async def requests() -> None:
        log("one")
        log("two")
        assert events() == []
        await asyncio.sleep(0.3)
        assert events() == ["one", "two"]
        log("three")
        log_error("four")
        assert events() == ["three", "four"]

    asyncio.run(requests())
    log("five")  # no event loop to write it later
    assert events() == ["five"]
