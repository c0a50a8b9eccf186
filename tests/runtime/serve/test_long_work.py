"""Work that takes minutes says so in the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from torchless.serve import long_work


def test_long_work_is_logged_each_minute_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, Any]] = []
    twice = asyncio.Event()

    def log(event: str, **fields: Any) -> None:
        told.append((event, fields))
        if len(told) == 2:
            twice.set()

    monkeypatch.setattr(long_work, "log", log)
    monkeypatch.setattr(long_work, "EVERY_S", 0.01)

    async def work() -> None:
        async with long_work.each_minute("still at it"):
            await asyncio.wait_for(twice.wait(), 10)
        await asyncio.sleep(0.05)

    asyncio.run(work())
    assert [event for event, _ in told] == ["still at it"] * 2
    assert told[1][1]["seconds"] == 2 * told[0][1]["seconds"]


def test_short_work_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "log", lambda *_, **__: pytest.fail("nothing was to be said"))

    async def work() -> None:
        async with long_work.each_minute("still at it"):
            await asyncio.sleep(0)

    asyncio.run(work())
