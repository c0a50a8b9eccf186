"""Requests to batches: a queue bounded in tokens, workers that take what fits, and nobody who waits for company.

The event loop admits a request (`submit`). `workers` threads do the rest. Each, as soon as it is free, first tokenises
what has arrived, then takes the oldest requests of one model and task, up to `budget_tokens`, and leaves the other
workers their share: those that are free, or all of them when what waits is no more than a batch. A long list is taken a
piece at a time and goes to the back of the queue between pieces, so a lone text never waits for thousands. What is very
long has a tokeniser of its own, so that nobody waits behind it.
`plan.cut` puts texts of like length together, as it does for the library.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.arguments import Text, characters
from torchless.inputs.tokens import Batch
from torchless.running import plan

from .condition import LastFirst
from .engine import Engine, Task
from .errors import InvalidError, NotReadyError, OverloadedError, TimedOutError, TooLargeError
from .metrics import Metrics
from .settings import Settings

_TOKENISE_TEXTS = 64  # tokenised in one call; enough to gain from company, few enough not to hold up the first
_LONG_CHARACTERS = 20_000  # some 10 ms of tokenising
_FIRST_GUESS_TOKENS_PER_CHARACTER = 0.25  # English; corrected by what is seen


class Job:
    """A request's texts on their way.

    Attributes:
        rows: float32 (texts, width), filled batch by batch.
        lengths: tokens of each text, once tokenised.
        truncated: whether each text was cut, once tokenised.
        tokenise_s, queue_s, run_s: what the three hands took, one after another: until the texts were tokens, until a
            worker took the first of them, until the last was answered.
    """

    def __init__(self, engine: Engine, task: Task, texts: Sequence[Text], *, refuse_truncation: bool) -> None:
        self.engine = engine
        self.task = task
        self.texts = texts
        self.refuse_truncation = refuse_truncation
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.rows: NDArray[np.float32] = np.empty((len(texts), engine.width[task]), np.float32)
        self.lengths: list[int] = []
        self.truncated: list[bool] = []
        self.tokenise_s = self.queue_s = self.run_s = 0.0
        self.tokens = 0  # what it counts for in the queue
        self.arrived_s = self.begun_s = perf_counter()
        self.batch: Batch
        self.order: list[int] = []  # texts that nobody has taken yet, the longest first
        self.unanswered = len(texts)

    def fail(self, error: Exception) -> None:
        """Give the request an error instead of an answer; from the event loop only."""
        if not self.future.done():
            self.future.set_exception(error)


class Batcher:
    """The queue and the threads that empty it."""

    def __init__(self, settings: Settings, workers: int, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._arrived_long: SimpleQueue[Job | None] = SimpleQueue()
        self._changed = LastFirst()  # guards all that follows
        self._arrived: deque[Job] = deque()  # not yet tokenised
        self._waiting: deque[Job] = deque()  # tokenised
        self._queued_tokens = 0
        self._ready_tokens = 0
        self._idle = 0
        self._closed = False
        self._tokens_per_s = 0.0
        self._tokens_per_character = _FIRST_GUESS_TOKENS_PER_CHARACTER
        self.workers = workers
        threading.Thread(target=self._tokenise_long, name="torchless-tokeniser", daemon=True).start()
        for _ in range(workers):
            threading.Thread(target=self._work, name="torchless-worker", daemon=True).start()

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait, those of texts not yet tokenised as estimated from their characters."""
        return self._queued_tokens

    @property
    def queued_requests(self) -> int:
        """Requests that wait, tokenised or not."""
        return len(self._arrived) + self._arrived_long.qsize() + len(self._waiting)

    @property
    def tokens_per_s(self) -> float:
        """What the workers have lately done together, as long as there was something to do."""
        return self._tokens_per_s

    def retry_after_s(self) -> int:
        """Whole seconds until what waits now will be done, from the measured rate; at least 1."""
        rate = self._tokens_per_s
        return max(1, math.ceil(self._queued_tokens / rate)) if rate else 1

    async def submit(self, job: Job) -> None:
        """Queue a request and wait for its answer.

        One rule for a lone text and a list: it is admitted if all of it fits into the queue.

        Raises:
            TooLargeError: it would not fit into an empty queue.
            OverloadedError: it does not fit now.
            TimedOutError: the answer was not there in time; what was not begun is dropped.
            InvalidError: a text was too long, and the request forbids truncation.
            InferenceError: the model failed.
        """
        if not job.texts:
            return
        self._admit(job)
        timer = job.loop.call_later(self._settings.request_timeout_s, self._expire, job)
        try:
            await job.future
        finally:
            timer.cancel()

    def close(self) -> None:
        """Stop the threads; whatever still waits is refused."""
        self._arrived_long.put(None)
        with self._changed:
            self._closed = True
            left = [*self._arrived, *self._waiting]
            self._arrived, self._waiting = deque(), deque()
            self._changed.notify_all()
        for job in left:
            _tell(job.loop, job.fail, NotReadyError("the server is ending"))

    def _admit(self, job: Job) -> None:
        ratio, most = self._tokens_per_character, job.engine.manifest.max_tokens
        job.tokens = sum(min(most, 2 + int(characters(text) * ratio)) for text in job.texts)
        limit = self._settings.max_queue_tokens
        if job.tokens > limit:
            raise TooLargeError(f"about {job.tokens} tokens, and the queue holds {limit}; send fewer texts at a time")
        with self._changed:
            queued = self._queued_tokens
            if self._closed:
                raise NotReadyError("the server is ending")
            if queued + job.tokens > limit:
                seconds = self.retry_after_s()
                problem = f"{queued} tokens wait, and about {job.tokens} more would pass the limit of {limit}"
                raise OverloadedError(f"{problem}; try again in {seconds} s", seconds)
            self._queued_tokens += job.tokens
            if sum(map(characters, job.texts)) > _LONG_CHARACTERS:
                self._arrived_long.put(job)
            else:
                self._arrived.append(job)
                self._changed.notify()

    def _expire(self, job: Job) -> None:
        job.fail(TimedOutError(self._settings.request_timeout_s, self.retry_after_s()))

    def _work(self) -> None:
        while self._wait():
            if arrivals := self._arrivals():
                self._tokenise(arrivals)
            if taken := self._take():
                self._answer(taken)

    def _wait(self) -> bool:
        """Until there is something to do; False when the server ends."""
        with self._changed:
            self._idle += 1
            while not (self._arrived or self._waiting or self._closed):
                self._changed.wait()
            self._idle -= 1
            return not self._closed

    # Texts to tokens.

    def _arrivals(self) -> list[Job]:
        jobs, texts = [], 0
        with self._changed:
            while self._arrived and texts < _TOKENISE_TEXTS:
                jobs.append(self._arrived.popleft())
                texts += len(jobs[-1].texts)
        return jobs

    def _tokenise_long(self) -> None:
        while (job := self._arrived_long.get()) is not None:
            self._tokenise([job])
            with self._changed:
                self._changed.notify_all()

    def _tokenise(self, jobs: list[Job]) -> None:
        wanted = [job for job in jobs if not job.future.done()]
        self._forget([job for job in jobs if job.future.done()])
        for engine in dict.fromkeys(job.engine for job in wanted):
            self._tokenise_for(engine, [job for job in wanted if job.engine is engine])

    def _tokenise_for(self, engine: Engine, jobs: list[Job]) -> None:
        begun_s = perf_counter()
        try:
            batch = engine.tokenizer.encode([text for job in jobs for text in job.texts])
        except Exception as error:  # as in _run
            self._forget(jobs)
            for job in jobs:
                _tell(job.loop, job.fail, error)
            return
        lengths, truncated = batch.lengths.tolist(), batch.truncated.tolist()
        start, ready = 0, []
        done_s = perf_counter()
        for job in jobs:
            end = start + len(job.texts)
            job.batch = batch if len(jobs) == 1 else batch.select(np.arange(start, end))
            job.lengths, job.truncated = lengths[start:end], truncated[start:end]
            job.order = sorted(range(end - start), key=job.lengths.__getitem__, reverse=True)
            job.tokenise_s = done_s - begun_s
            start = end
            if job.refuse_truncation and any(job.truncated):
                self._forget([job])
                place, limit = job.truncated.index(True), engine.manifest.max_tokens
                problem = f"text {place} is longer than {limit} tokens, and truncation was refused"
                _tell(job.loop, job.fail, InvalidError(problem))
            else:
                ready.append(job)
        if not any(truncated):
            total = sum(characters(text) for job in jobs for text in job.texts)
            self._learn_ratio(total, len(lengths), int(batch.offsets[-1]))
        with self._changed:
            for job in ready:
                tokens = sum(job.lengths)
                self._queued_tokens += tokens - job.tokens
                self._ready_tokens += tokens
                job.tokens = tokens
                self._waiting.append(job)
            self._changed.notify(len(lengths) - 1)  # whoever tokenised takes the first

    def _learn_ratio(self, total: int, texts: int, tokens: int) -> None:
        """Tokens a character, two special tokens a text set aside, as a moving average over the last thousands."""
        if total:
            weight = min(0.1, total / 20_000)
            self._tokens_per_character += weight * ((tokens - 2 * texts) / total - self._tokens_per_character)

    # Tokens to rows.

    def _take(self) -> list[tuple[Job, list[int]]]:
        """The next texts: the oldest first, of one model and task, and no more than this worker's share."""
        taken: list[tuple[Job, list[int]]] = []
        others: list[Job] = []
        begun_s, tokens = perf_counter(), 0
        with self._changed:
            # Who is busy will be free before one batch is done; before several, this worker may as well begin them.
            sharing = (
                self.workers if self._ready_tokens <= plan.BUDGETS[self._settings.device].tokens else self._idle + 1
            )
            limit = min(self._settings.budget_tokens, self._ready_tokens // sharing)
            while self._waiting and (tokens < limit or not taken):
                job = self._waiting.popleft()
                if job.future.done():  # its client left, or it took too long
                    self._subtract(sum(job.lengths[text] for text in job.order))
                    continue
                if taken and (job.engine is not taken[0][0].engine or job.task != taken[0][0].task):
                    others.append(job)
                    continue
                if len(job.order) == len(job.texts):
                    job.begun_s = begun_s
                    job.queue_s = begun_s - job.arrived_s - job.tokenise_s
                texts: list[int] = []
                while job.order and (tokens + job.lengths[job.order[-1]] <= limit or not (taken or texts)):
                    text = job.order.pop()
                    texts.append(text)
                    tokens += job.lengths[text]
                if texts:
                    taken.append((job, texts))
                if job.order:  # who had a whole turn goes to the back; for whom little was left is first next time
                    had_a_turn = bool(texts) and len(taken) == 1
                    (self._waiting.append if had_a_turn else self._waiting.appendleft)(job)
                    break
            self._waiting.extendleft(reversed(others))
            self._subtract(tokens)
        return taken

    def _answer(self, taken: list[tuple[Job, list[int]]]) -> None:
        """Run what was taken, in batches of like length."""
        engine, task = taken[0][0].engine, taken[0][0].task
        owners = [(job, text) for job, texts in taken for text in texts]
        merged = Batch.concatenate([_select(job.batch, texts) for job, texts in taken])
        for places, part in plan.cut(merged, engine.budget, padded=engine.padded):
            self._run(engine, task, part, [owners[place] for place in places.tolist()])

    def _run(self, engine: Engine, task: Task, batch: Batch, owners: list[tuple[Job, int]]) -> None:
        begun_s = perf_counter()
        try:
            rows = engine.run(task, batch)
        except Exception as error:  # a bug too: the worker must live on, and the request hear of it
            if len(owners) > 1:  # one text must not spoil the answers of its neighbours
                for place, owner in enumerate(owners):
                    self._run(engine, task, batch.select(np.array([place])), [owner])
            else:
                _tell(owners[0][0].loop, owners[0][0].fail, error)
            return
        done_s = perf_counter()
        seconds = done_s - begun_s
        tokens = int(batch.offsets[-1])
        answered = []
        for (job, text), row in zip(owners, rows, strict=True):
            job.rows[text] = row
        with self._changed:
            for job, _ in owners:
                job.unanswered -= 1
                if not job.unanswered:
                    job.run_s = done_s - job.begun_s
                    answered.append(job)
            rate = tokens / seconds * self.workers
            self._tokens_per_s += 0.05 * (rate - self._tokens_per_s) if self._tokens_per_s else rate
        for loop in {job.loop for job in answered}:
            _tell(loop, _resolve, [job for job in answered if job.loop is loop])
        self._metrics.batch(len(owners), tokens)

    def _forget(self, jobs: list[Job]) -> None:
        """Untokenised requests that will not be run."""
        with self._changed:
            self._queued_tokens -= sum(job.tokens for job in jobs)

    def _subtract(self, tokens: int) -> None:
        self._queued_tokens -= tokens
        self._ready_tokens -= tokens


def _select(batch: Batch, texts: list[int]) -> Batch:
    return batch if len(batch.truncated) == 1 else batch.select(np.array(texts))


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_result(None)


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call a function in the event loop; a loop that has ended has no one left to tell."""
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
