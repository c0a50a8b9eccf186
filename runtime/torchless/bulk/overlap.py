"""Work side by side: what comes next is made ready while this is done, and what is done is put away meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

from torchless.running.threads import started

T = TypeVar("T")
_LOOK = 0.2  # seconds between two looks whether the other side has ended
_END = object()


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, each made in a thread of its own while the one before it is used.

    Closing the iterator ends the thread after the item that it is making.

    Raises:
        BaseException: whatever `items` raises, at its place.
    """
    queue: Queue[object] = Queue(1)
    stopped = threading.Event()

    def put(item: object) -> None:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=_LOOK)
                return
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(_END)
        except BaseException as error:
            put(_Raised(error))

    thread = started(work, "torchless-ahead")
    if thread is None:
        yield from items
        return
    try:
        while (item := queue.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.error
            yield item  # type: ignore[misc]  # what was put is an item
    finally:
        stopped.set()
        thread.join()


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class Behind(Generic[T]):
    """Items put away by a thread of its own, in order; at most one waits.

    As a context manager it ends when all that was given is put away, or, after an error inside the block, when the item
    in work is.
    """

    def __init__(self, put_away: Callable[[T], object]) -> None:
        self._put_away = put_away
        self._queue: Queue[object] = Queue(1)
        self._error: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = started(self._work, "torchless-behind")

    def give(self, item: T) -> None:
        """Put an item away; waits while another one waits.

        Raises:
            BaseException: what an item before has raised.
        """
        if self._thread is None:
            self._put_away(item)
        else:
            self._put(item)

    def _put(self, item: object) -> None:
        while True:
            if self._error is not None:
                raise self._error
            try:
                self._queue.put(item, timeout=_LOOK)
                return
            except Full:
                continue

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    item = self._queue.get(timeout=_LOOK)
                except Empty:
                    continue
                if item is _END:
                    return
                self._put_away(item)  # type: ignore[arg-type]  # what was given
        except BaseException as error:  # raised where the next item is given
            self._error = error

    def __enter__(self) -> Behind[T]:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._thread is None:
            return
        if kind is None:
            try:
                self._put(_END)
            finally:
                self._stopped.set()
                self._thread.join()
            if self._error is not None:
                raise self._error
        else:
            self._stopped.set()
            self._thread.join()
