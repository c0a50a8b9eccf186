"""A list of texts through a graph: few batches one after another on all threads, many in parallel on one thread each.

Threads that share a run wait for each other at every node of the graph; batches side by side never do. Measured in
docs/decisions/0007-batches-side-by-side.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch

from .plan import split
from .threads import started

if TYPE_CHECKING:
    from .session import Session

    Rows = NDArray[np.float32]
    Part = tuple[NDArray[np.intp], Batch]  # the places of some texts, and their batch

_ROUNDS = 8  # batches per thread; fewer gain less than loading the graph a second time costs


def run(session: Session, batch: Batch) -> Iterator[tuple[NDArray[np.intp], Batch, Rows]]:
    """Run a batch of any size.

    Yields:
        The places of some texts in `batch`, their batch, and what the graph answers to it, as `Session.run`.

    Raises:
        InferenceError: as `Session.run`; batches that have not been begun are dropped.
    """
    parts = list(split(batch, session.budget, padded=session.padded))
    if session.threads > 1 and len(parts) >= _ROUNDS * session.threads:
        yield from _side_by_side(session, parts)
        return
    for places, part in parts:
        yield places, part, session.run(part)


def rows_of_tokens(session: Session, batch: Batch) -> list[Rows]:
    """What a graph that answers one row per token says of each text of a batch of any size.

    Returns:
        For each text float32 (its tokens, columns), special tokens included.

    Raises:
        InferenceError: as `run`.
    """
    texts: dict[int, Rows] = {}
    for places, part, rows in run(session, batch):  # rows: (tokens of the part, columns)
        texts.update(zip(places.tolist(), np.split(rows, part.offsets[1:-1]), strict=True))
    return [texts[place] for place in range(len(texts))]


def _side_by_side(session: Session, parts: Sequence[Part]) -> Iterator[tuple[NDArray[np.intp], Batch, Rows]]:
    """Threads of our own: an executor of Python's takes no work once the main thread has ended, and loses the rest."""
    from queue import SimpleQueue  # here, because most processes never send a long list

    narrow, waiting = session.with_threads(1), deque(parts)
    answered: SimpleQueue[tuple[NDArray[np.intp], Batch, Rows] | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            while True:
                try:
                    places, part = waiting.popleft()
                except IndexError:
                    return
                answered.put((places, part, narrow.run(part)))
        except BaseException as error:  # raised where the answers are taken
            answered.put(error)

    threads = [thread for _ in range(session.threads) if (thread := started(work, "torchless-list"))]
    try:
        for _ in range(len(parts)):
            if not threads:
                places, part = waiting.popleft()
                yield places, part, session.run(part)
                continue
            answer = answered.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
    finally:
        waiting.clear()
        for thread in threads:
            thread.join()
