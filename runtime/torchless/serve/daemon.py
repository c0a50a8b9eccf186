"""Work in a thread that the end of the process does not wait for: a load that hangs must not keep a server alive."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from .errors import as_error
from .queued_request import call_in_loop

T = TypeVar("T")


async def in_daemon(work: Callable[[], T]) -> T:
    """The result of work in a daemon thread; raises what it raised, and for a panic in Rust an `InferenceError`."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            call_in_loop(loop, _settle, done, done.set_exception, as_error(error))
        else:
            call_in_loop(loop, _settle, done, done.set_result, result)

    threading.Thread(target=run, name="torchless-load", daemon=True).start()
    return await done


def _settle(done: asyncio.Future[T], settle: Callable[[object], None], value: object) -> None:
    if not done.done():  # the server may have given up waiting
        settle(value)
