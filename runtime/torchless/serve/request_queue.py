"""The queue, bounded in tokens: which requests are admitted, which texts are taken next, and what is counted meanwhile.

Each method says which thread calls it. One lock guards every field, but for the queue of long requests, which has its
own. Admission counts the tokens of a request before it is tokenised, as estimated from its characters, and by one rule
for a lone text and a list; the count is put right once the texts are tokens.

No request is delayed to fill a batch. A free worker takes the oldest texts of one model and task at once, up to
`budget_tokens`, and leaves the other workers their share. A long list is taken piece by piece and goes to the back of
the queue between pieces, so a lone text waits for one piece at most.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue
from time import perf_counter

from torchless.inputs.arguments import characters
from torchless.running import plan

from .condition import LastFirst
from .errors import NotReadyError, OverloadedError, TimedOutError, TooLargeError
from .queued_request import QueuedRequest
from .settings import Settings

Taken = list[tuple[QueuedRequest, list[int]]]  # requests, and which texts of each

_TOKENISE_TEXTS = 64  # tokenised in one call: enough to save calls, too few to delay the first
_LONG_CHARACTERS = 20_000  # about 10 ms of tokenising
_FIRST_GUESS_TOKENS_PER_CHARACTER = 0.25  # English; corrected by what is seen
_SHUTTING_DOWN = "the server is shutting down"


class RequestQueue:
    """Requests that wait: first for a thread that tokenises them, then for a worker that runs them.

    Attributes:
        workers: how many threads take from it.
    """

    def __init__(self, settings: Settings, workers: int) -> None:
        self.workers = workers
        self._settings = settings
        self._arrived_long: SimpleQueue[QueuedRequest | None] = SimpleQueue()  # not tokenised, and long
        self._changed = LastFirst()  # guards all that follows
        self._arrived: deque[QueuedRequest] = deque()  # not tokenised
        self._waiting: deque[QueuedRequest] = deque()  # tokenised
        self._queued_tokens = 0
        self._ready_tokens = 0  # of those, tokenised
        self._idle = 0  # workers that wait
        self._closed = False
        self._tokens_per_s = 0.0
        self._tokens_per_character = _FIRST_GUESS_TOKENS_PER_CHARACTER

    # Reports, for any thread.

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait; those of texts not yet tokenised are estimated from their characters."""
        return self._queued_tokens

    @property
    def queued_requests(self) -> int:
        """Requests that wait, tokenised or not."""
        return len(self._arrived) + self._arrived_long.qsize() + len(self._waiting)

    @property
    def tokens_per_s(self) -> float:
        """Tokens per second of all workers together, as lately measured while there was work."""
        return self._tokens_per_s

    def retry_after_s(self) -> int:
        """Whole seconds until what waits now will be done, at the measured rate; at least 1."""
        rate = self._tokens_per_s
        return max(1, math.ceil(self._queued_tokens / rate)) if rate else 1

    # Event loop.

    async def submit(self, request: QueuedRequest) -> None:
        """Queue a request and wait for its answer. It is admitted if all of its texts fit into the queue.

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
        timer = request.loop.call_later(self._settings.request_timeout_s, self._expire, request)
        try:
            await request.answered()
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the threads, and refuse every request that still waits."""
        self._arrived_long.put(None)
        with self._changed:
            self._closed = True
            left = [*self._arrived, *self._waiting]
            self._arrived, self._waiting = deque(), deque()
            self._changed.notify_all()
        for request in left:
            request.fail_soon(NotReadyError(_SHUTTING_DOWN))

    def _admit(self, request: QueuedRequest) -> None:
        ratio, most = self._tokens_per_character, request.model.manifest.max_tokens
        tokens = sum(min(most, 2 + int(characters(text) * ratio)) for text in request.texts)
        limit = self._settings.max_queue_tokens
        if tokens > limit:
            raise TooLargeError(f"about {tokens} tokens, and the queue holds {limit}; send fewer texts per request")
        request.counted_tokens = tokens
        with self._changed:
            queued = self._queued_tokens
            if self._closed:
                raise NotReadyError(_SHUTTING_DOWN)
            if queued + tokens > limit:
                seconds = self.retry_after_s()
                problem = f"{queued} tokens wait, and about {tokens} more would pass the limit of {limit}"
                raise OverloadedError(f"{problem}; try again in {seconds} s", seconds)
            self._queued_tokens += tokens
            if sum(map(characters, request.texts)) > _LONG_CHARACTERS:
                self._arrived_long.put(request)
            else:
                self._arrived.append(request)
                self._changed.notify()

    def _expire(self, request: QueuedRequest) -> None:
        request.fail(TimedOutError(self._settings.request_timeout_s, self.retry_after_s()))

    # Workers.

    def wait(self) -> bool:
        """Wait until there is something to tokenise or to run; False when the server shuts down."""
        with self._changed:
            self._idle += 1
            while not (self._arrived or self._waiting or self._closed):
                self._changed.wait()
            self._idle -= 1
            return not self._closed

    def arrivals(self) -> list[QueuedRequest]:
        """The oldest requests that are not tokenised, as many as one call of the tokenizer should take."""
        requests: list[QueuedRequest] = []
        texts = 0
        with self._changed:
            while self._arrived and texts < _TOKENISE_TEXTS:
                requests.append(self._arrived.popleft())
                texts += len(requests[-1].texts)
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
        """Count the texts of a batch, each given by its request, as answered; returns the requests now complete."""
        now_s, rate = perf_counter(), tokens / seconds * self.workers
        with self._changed:
            complete = [request for request in owners if request.count_answer(now_s)]
            self._tokens_per_s += 0.05 * (rate - self._tokens_per_s) if self._tokens_per_s else rate
        return complete

    def _share(self) -> int:
        """Tokens that one worker may take.

        A busy worker will be free before one batch is done, so one batch is shared with all workers; more is shared
        with idle workers only.
        """
        few = self._ready_tokens <= plan.BUDGETS[self._settings.device].tokens
        return min(self._settings.budget_tokens, self._ready_tokens // (self.workers if few else self._idle + 1))

    def _subtract(self, tokens: int) -> None:
        self._queued_tokens -= tokens
        self._ready_tokens -= tokens

    # Threads that tokenise: the workers, and one for long requests.

    def next_long(self) -> QueuedRequest | None:
        """Wait for a long request that is not tokenised; None when the server shuts down."""
        return self._arrived_long.get()

    def offer(self, requests: Sequence[QueuedRequest], wake: int) -> None:
        """Let requests that are tokenised be taken, and wake so many idle workers."""
        with self._changed:
            for request in requests:
                tokens = sum(request.tokens.lengths)
                self._queued_tokens += tokens - request.counted_tokens
                self._ready_tokens += tokens
                request.counted_tokens = tokens
                self._waiting.append(request)
            self._changed.notify(wake)

    def forget(self, requests: Sequence[QueuedRequest]) -> None:
        """Stop counting requests that were not tokenised and will not be run."""
        with self._changed:
            self._queued_tokens -= sum(request.counted_tokens for request in requests)

    def learn_ratio(self, seen_characters: int, texts: int, tokens: int) -> None:
        """Correct the tokens per character by what was seen: a moving average over some 20,000 characters."""
        if seen_characters:
            weight = min(0.1, seen_characters / 20_000)
            seen = (tokens - 2 * texts) / seen_characters  # two special tokens per text
            with self._changed:
                self._tokens_per_character += weight * (seen - self._tokens_per_character)
