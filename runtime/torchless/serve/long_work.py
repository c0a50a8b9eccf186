"""A log line per minute while something takes long, so that a start of ten minutes is not silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .logs import log

EVERY_S = 60


@asynccontextmanager
async def each_minute(event: str) -> AsyncIterator[None]:
    """Log the event and its seconds so far, once a minute until the block ends."""

    async def tell() -> None:
        seconds = 0
        while True:
            await asyncio.sleep(EVERY_S)
            seconds += EVERY_S
            log(event, seconds=seconds)

    task = asyncio.ensure_future(tell())
    try:
        yield
    finally:
        task.cancel()
