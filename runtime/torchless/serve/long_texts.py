"""Requests that take long to tokenise: piece by piece, and of all requests the one with the least left is next.

A second of waiting counts as `_PER_SECOND` characters less: neither do many long requests hold up a short one, nor many
short ones a long one.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from itertools import count

from torchless.inputs.arguments import Text
from torchless.inputs.tokens import Batch

from .queued_request import QueuedRequest

_PIECE_CHARACTERS = 50_000  # some 25 ms of tokenising
_PER_SECOND = 100_000  # a twentieth of what is tokenised in that time


class LongRequest:
    """A request of which some texts are tokenised.

    Attributes:
        made: batches of its texts, piece by piece; none of a `SpansRequest`.
        tokens: how many there are so far; of a `TagRequest`, in all of its windows.
        left: characters of the texts that are not tokenised.
        seconds: how long tokenising took.
    """

    def __init__(self, request: QueuedRequest) -> None:
        self.request = request
        self.left = request.characters
        self.made: list[Batch] = []
        self.tokens = 0
        self.seconds = 0.0
        self._place = 0

    def next_texts(self) -> Sequence[Text]:
        """The texts of the next piece, one or more; a text that occurs again in a piece costs nothing."""
        texts, begun, seen = self.request.texts, self._place, set[str]()
        size = 0
        while self._place < len(texts) and (size < _PIECE_CHARACTERS):
            text = texts[self._place]
            parts = {text} if isinstance(text, str) else {text.first, text.second}
            size += sum(map(len, parts - seen))
            seen |= parts
            self._place += 1
        self.left -= size
        return texts[begun : self._place]

    @property
    def is_whole(self) -> bool:
        """All texts have been handed out."""
        return self._place == len(self.request.texts)


class LongTexts:
    """The requests, by what is left of them and by their age. For any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, LongRequest]] = []
        self._number = count()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, long: LongRequest) -> bool:
        """Let a request wait; False after `close`, and for one that is over."""
        with self._changed:
            waits = not (self._closed or long.request.over)
            if waits:
                turn = long.left + _PER_SECOND * long.request.arrived_s
                heapq.heappush(self._waiting, (turn, next(self._number), long))
                self._changed.notify()
            return waits

    def drop(self, request: QueuedRequest) -> bool:
        """Let go of a request that is over; False if it does not wait here: it never did, or is being tokenised."""
        with self._changed:
            place = next((i for i, (_, _, long) in enumerate(self._waiting) if long.request is request), None)
            if place is not None:
                del self._waiting[place]
                heapq.heapify(self._waiting)
            return place is not None

    def take(self) -> LongRequest | None:
        """Wait for the request whose turn it is; None after `close`."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return None if self._closed else heapq.heappop(self._waiting)[2]

    def close(self) -> list[QueuedRequest]:
        """End every wait; returns the requests that were left."""
        with self._changed:
            self._closed = True
            left, self._waiting = [long.request for _, _, long in self._waiting], []
            self._changed.notify_all()
        return left
