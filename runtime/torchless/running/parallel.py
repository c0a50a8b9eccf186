"""A list through a graph: a few batches one after another on all threads, many side by side on one thread each.

Threads that share a run wait for each other at every node of the graph; batches side by side never do. Measured in
docs/decisions/0007-batches-side-by-side.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch

from .plan import cut

if TYPE_CHECKING:
    from .session import Session

    Rows = NDArray[np.float32]

_ROUNDS = 8  # batches a thread; fewer gain less than it costs to load the graph a second time


def run(session: Session, batch: Batch) -> Iterator[tuple[NDArray[np.intp], Batch, Rows]]:
    """Run a batch of any size.

    Yields:
        The places of some texts in `batch`, their batch, and what the graph answers to it, as `Session.run`.

    Raises:
        InferenceError: as `Session.run`; batches that have not been begun are dropped.
    """
    parts = list(cut(batch, session.budget, padded=session.padded))
    many = session.threads > 1 and len(parts) >= _ROUNDS * session.threads
    rows = _side_by_side(session, parts) if many else (session.run(part) for _, part in parts)
    for (places, part), answer in zip(parts, rows, strict=True):
        yield places, part, answer


def _side_by_side(session: Session, parts: Sequence[tuple[NDArray[np.intp], Batch]]) -> Iterator[Rows]:
    from concurrent.futures import ThreadPoolExecutor  # here, because most processes never send a long list

    pool = ThreadPoolExecutor(session.threads, thread_name_prefix="torchless-list")
    try:
        yield from pool.map(session.twin.run, [part for _, part in parts])
    finally:
        pool.shutdown(cancel_futures=True)
