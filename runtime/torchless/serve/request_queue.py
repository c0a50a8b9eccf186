"""The queue, bounded in tokens: which requests are admitted, which texts are taken next, and what is counted meanwhile.

Each method says which thread calls it. One lock guards every field, but for the queue of long requests, which has its
own. Before a request is tokenised it counts as the most tokens that its texts can have (`token_bound`), but as no more
than a share of the queue; so of requests that are not tokenised, and can be longer than that, no more than `_SHARES`
wait. Once they are tokens, a request counts as what it has, and is refused if that does not fit.

No request is delayed to fill a batch. A free worker takes the oldest texts of one model and task at once, up to
`budget_tokens`, and leaves the other workers their share. A long list is taken piece by piece and goes to the back of
the queue between pieces, so a lone text waits for one piece at most.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from torchless.running import plan

from .condition import LastFirst
from .errors import NotReadyError, OverloadedError, TimedOutError, TooLargeError
from .long_texts import LongRequest, LongTexts
from .queued_request import QueuedRequest, SpansRequest, TagRequest
from .quiet import Quiet
from .rate import Rate
from .settings import Settings
from .whole import Cell, Row, Whole

Taken = list[tuple[QueuedRequest, list[int]]]  # requests, and which texts of each

_TOKENISE_TEXTS = 64  # tokenised in one call: enough to save calls, too few to delay the first
_LONG_CHARACTERS = 20_000  # about 10 ms of tokenising
_SHARES = 16
SHUTTING_DOWN = "the server is shutting down"


class RequestQueue:
    """Requests that wait: first for a thread that tokenises them, then for a worker that runs them.

    Limits and reports are of all processes of a server together.

    Attributes:
        workers: how many threads take from it.
    """

    def __init__(self, settings: Settings, workers: int, row: Row | None = None) -> None:
        """An empty queue; `row` is where this process notes what waits, None if it is the only one."""
        self.workers = workers
        self._row = row or Whole().row()
        self._settings = settings
        self._arrived_long = LongTexts()  # not tokenised, and long
        self._changed = LastFirst()  # guards all that follows
        self._arrived: deque[QueuedRequest] = deque()  # not tokenised
        self._waiting: deque[QueuedRequest] = deque()  # tokenised
        self._queued_tokens = 0
        self._ready_tokens = 0  # of those, tokenised
        self._quiet = Quiet(self._row, workers)
        self._closed = False
        self._rate = Rate()

    # Reports, for any thread.

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait; of requests not yet tokenised, the share of the queue that is kept for them."""
        return int(self._row.total(Cell.QUEUED_TOKENS))

    @property
    def queued_requests(self) -> int:
        """Requests that wait, tokenised or not."""
        return self.queued_requests_here + int(self._row.others(Cell.QUEUED_REQUESTS))

    @property
    def queued_requests_here(self) -> int:
        """Those of this process."""
        return len(self._arrived) + len(self._arrived_long) + len(self._waiting)

    @property
    def tokens_per_s(self) -> float:
        """Tokens per second of all workers together, as lately measured while there was work."""
        return self._row.total(Cell.TOKENS_PER_S)

    def retry_after_s(self) -> int:
        """Whole seconds until what waits now will be done, at the measured rate; at least 1."""
        rate = self.tokens_per_s
        return max(1, math.ceil(self.queued_tokens / rate)) if rate else 1

    # Event loop.

    async def submit(self, request: QueuedRequest, timeout_s: float | None = None, spent_s: float = 0.0) -> None:
        """Queue a request and wait for its answer.

        Args:
            request: what is asked.
            timeout_s: seconds for all that it takes, and no more than the settings have; None: as many.
            spent_s: how many of them are over.

        Raises:
            TooLargeError: it would not fit into an empty queue.
            OverloadedError: it does not fit now.
            NotReadyError: the server is shutting down.
            TimedOutError: the answer was not there in time; texts that no worker had taken are dropped.
            InvalidError: a text was too long, and the request forbids truncation.
            InferenceError: the model failed.
        """
        if not request.texts:
            return
        self._admit(request)
        limit_s = min(self._settings.request_timeout_s, math.inf if timeout_s is None else timeout_s)
        timer = request.loop.call_later(max(0.0, limit_s - spent_s), self._expire, request, limit_s)
        try:
            await request.answered()
        except BaseException:
            if self._arrived_long.drop(request):  # shorter ones may go first for as long as they come
                self.forget([request])
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the threads, and refuse every request that still waits."""
        with self._changed:
            self._closed = True
            left = [*self._arrived, *self._waiting, *self._arrived_long.close()]
            self._arrived, self._waiting = deque(), deque()
            self._changed.notify_all()
        for request in left:
            request.fail_soon(NotReadyError(SHUTTING_DOWN))

    def _admit(self, request: QueuedRequest) -> None:
        limit = self._settings.max_queue_tokens
        self.check(len(request.texts))
        most = min(request.most_tokens(), max(limit // _SHARES, 1))
        request.counted_tokens = max(len(request.texts), int(most))
        with self._changed:
            if self._closed:
                raise NotReadyError(SHUTTING_DOWN)
            self._count(request.counted_tokens)
            if self.queued_tokens > limit:
                self._count(-request.counted_tokens)
                raise self._overloaded(request.counted_tokens)
            if isinstance(request, (SpansRequest, TagRequest)) or request.characters > _LONG_CHARACTERS:
                self._arrived_long.put(LongRequest(request))
            else:
                self._arrived.append(request)
                self._changed.notify()

    def _overloaded(self, tokens: int) -> OverloadedError:
        limit, seconds = self._settings.max_queue_tokens, self.retry_after_s()
        problem = f"{self.queued_tokens} tokens wait, and up to {tokens} more would pass the limit of {limit}"
        return OverloadedError(f"{problem}; try again in {seconds} s", seconds)

    def holds(self, tokens: int) -> bool:
        """Whether so many tokens fit into an empty queue. For any thread."""
        return tokens <= self._settings.max_queue_tokens

    def check(self, tokens: int) -> None:
        """Refuse more tokens than the queue may hold. For any thread.

        Raises:
            TooLargeError: there are more.
        """
        if not self.holds(tokens):
            raise self._too_large(tokens)

    def _too_large(self, tokens: int) -> TooLargeError:
        limit = self._settings.max_queue_tokens
        return TooLargeError(f"{tokens} tokens, and the queue holds {limit}; send fewer texts per request")

    def _expire(self, request: QueuedRequest, limit_s: float) -> None:
        request.fail(TimedOutError(limit_s, self.retry_after_s()))

    # Workers.

    def is_quiet(self) -> bool:
        """Whether the worker that asks is, and has for a while been, the only one of the server that has work."""
        with self._changed:
            return self._quiet.look(waits=bool(self._arrived or self._waiting))

    def wait(self) -> bool:
        """Wait until there is something to tokenise or to run; False when the server shuts down."""
        with self._changed:
            self._quiet.rest()
            try:
                while not (self._arrived or self._waiting or self._closed):
                    self._changed.wait()
            finally:  # a worker that ends here is begun again, and rests again
                self._quiet.work()
            return not self._closed

    def arrivals(self) -> list[QueuedRequest]:
        """The oldest requests that are not tokenised, as many as one call of the tokenizer should take."""
        requests: list[QueuedRequest] = []
        texts = size = 0
        with self._changed:
            while self._arrived and texts < _TOKENISE_TEXTS and size < _LONG_CHARACTERS:
                requests.append(self._arrived.popleft())
                texts += len(requests[-1].texts)
                size += requests[-1].characters
        return requests

    def take(self) -> Taken:
        """The next texts to run: the oldest first, of one model and task, and no more than one worker's share."""
        taken: Taken = []
        others: list[QueuedRequest] = []
        now_s, tokens = perf_counter(), 0
        with self._changed:
            limit = self._share()
            while self._waiting and (tokens < limit or not taken):
                request = self._waiting.popleft()
                if request.over:
                    self._subtract(sum(request.tokens.lengths[text] for text in request.untaken))
                    continue
                if taken and (request.model is not taken[0][0].model or request.task != taken[0][0].task):
                    others.append(request)
                    continue
                texts, more = request.take(limit - tokens, now_s, at_least_one=not taken)
                tokens += more
                if texts:
                    taken.append((request, texts))
                if request.untaken:
                    # A request that had a whole turn goes to the back; one that got what room was left is next.
                    had_a_turn = bool(texts) and len(taken) == 1
                    (self._waiting.append if had_a_turn else self._waiting.appendleft)(request)
                    break
            self._waiting.extendleft(reversed(others))
            self._subtract(tokens)
        return taken

    def count_answers(self, owners: Sequence[QueuedRequest], tokens: int, seconds: float) -> list[QueuedRequest]:
        """Count the texts of a batch, each given by its request, as answered; returns the requests now complete.

        `seconds` are those of one worker: a batch on the threads of several counts several times.
        """
        now_s = perf_counter()
        with self._changed:
            complete = [request for request in owners if request.count_answer(now_s)]
            self._rate.add(tokens, seconds)
            self._row.set(Cell.TOKENS_PER_S, self._rate.tokens_per_s * self.workers)
        return complete

    def _share(self) -> int:
        """Tokens that one worker may take.

        A busy worker will be free before one batch is done, so one batch is shared with all workers; more is shared
        with idle workers only.
        """
        few = self._ready_tokens <= plan.BUDGETS[self._settings.device].tokens
        return min(self._settings.budget_tokens, self._ready_tokens // (self.workers if few else self._quiet.idle + 1))

    def _subtract(self, tokens: int) -> None:
        self._count(-tokens)
        self._ready_tokens -= tokens

    def _count(self, tokens: int) -> None:
        self._queued_tokens += tokens
        self._row.set(Cell.QUEUED_TOKENS, self._queued_tokens)

    # Threads that tokenise: the workers, and one for long requests.

    def next_long(self) -> LongRequest | None:
        """Wait for a long request that is not tokenised; None when the server shuts down."""
        return self._arrived_long.take()

    def put_back(self, long: LongRequest) -> None:
        """Let a long request wait for its next piece, unless it is over."""
        if not self._arrived_long.put(long):
            self.forget([long.request])
            long.request.fail_soon(NotReadyError(SHUTTING_DOWN))

    def offer(self, requests: Sequence[QueuedRequest], wake: int) -> None:
        """Let requests that are tokenised be taken if they fit, else refuse them; and wake so many idle workers."""
        refused: list[tuple[QueuedRequest, Exception]] = []
        limit = self._settings.max_queue_tokens
        with self._changed:
            for request in requests:
                tokens = sum(request.tokens.lengths)
                self._count(tokens - request.counted_tokens)
                if self._closed:
                    refused.append((request, NotReadyError(SHUTTING_DOWN)))
                    self._count(-tokens)
                elif tokens > request.counted_tokens and self.queued_tokens > limit:
                    self._count(-tokens)
                    error = self._too_large(tokens) if tokens > limit else self._overloaded(tokens)
                    refused.append((request, error))
                else:
                    self._ready_tokens += tokens
                    request.counted_tokens = tokens
                    self._waiting.append(request)
            self._changed.notify(wake)
        for request, problem in refused:
            request.fail_soon(problem)

    def forget(self, requests: Sequence[QueuedRequest]) -> None:
        """Stop counting requests that were not tokenised and will not be run."""
        with self._changed:
            self._count(-sum(request.counted_tokens for request in requests))
