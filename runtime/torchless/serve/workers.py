"""The threads that empty the queue: they tokenise what has arrived, run what is tokenised, and answer.

Each `torchless-worker` thread, as soon as it is free, first tokenises the requests that have arrived, then takes texts
from the queue and runs them; `plan.split` puts texts of like length together, as it does for the library. One
`torchless-tokeniser` thread tokenises long requests piece by piece, so that no other request waits for that. The
threads share nothing but the queue and the metrics, and reach an event loop through `call_in_loop` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

import numpy as np

from torchless.inputs.text_tokens import TextTokens
from torchless.inputs.tokens import Batch, spans_of
from torchless.running import plan

from .errors import InvalidError, as_error
from .long_texts import LongRequest
from .metrics import Metrics
from .queued_request import QueuedRequest, SpansRequest, TagRequest, Tokens, call_in_loop
from .request_queue import RequestQueue, Taken
from .served_model import ServedModel
from .watch import Watch

T = TypeVar("T")
Owners = list[tuple[QueuedRequest, int]]  # the request and the text in it that each row of a batch belongs to


class Workers:
    """The threads of one queue; they end when it is closed.

    Attributes:
        watch: whether they still work.
    """

    def __init__(self, queue: RequestQueue, metrics: Metrics) -> None:
        """Start `queue.workers` workers and a tokeniser."""
        self._queue = queue
        self._metrics = metrics
        self.watch = Watch()
        self.watch.start("torchless-tokeniser", self._tokenise_long)
        for _ in range(queue.workers):
            self.watch.start("torchless-worker", self._work)

    def _work(self) -> None:
        while self._waited(self._queue.wait):
            self._take_turn()

    def _take_turn(self) -> None:
        """Tokenise what has arrived, then run what waits; its own frame, so that an idle thread keeps no model."""
        if arrivals := self._queue.arrivals():
            self._tokenise(arrivals, takes_one=True)
        if taken := self._queue.take():
            self._run(taken)

    def _tokenise_long(self) -> None:
        while (long := self._waited(self._queue.next_long)) is not None:
            self._advance(long)
            del long  # an idle thread keeps no texts, and no model

    def _advance(self, long: LongRequest) -> None:
        """Tokenise the next piece of a long request."""
        request = long.request
        if request.over:
            self._queue.forget([request])
            return
        try:
            self._next_piece(long)
        except BaseException as error:
            self._refuse([request], as_error(error))
        else:
            if long.is_whole:
                self._finish(long)
            else:
                self._queue.put_back(long)

    def _waited(self, wait: Callable[[], T]) -> T:
        self.watch.rest()
        found = wait()
        self.watch.begin()
        return found

    # Texts to tokens.

    def _tokenise(self, requests: list[QueuedRequest], *, takes_one: bool) -> None:
        wanted = [request for request in requests if not request.over]
        if len(wanted) < len(requests):
            self._queue.forget([request for request in requests if request.over])
        for model in dict.fromkeys(request.model for request in wanted):
            self._tokenise_for(model, [request for request in wanted if request.model is model], takes_one=takes_one)

    def _tokenise_for(self, model: ServedModel, requests: list[QueuedRequest], *, takes_one: bool) -> None:
        self.watch.begin()
        begun_s = perf_counter()
        try:
            batch = model.tokenizer.encode([text for request in requests for text in request.texts])
        except BaseException as error:  # a panic of the tokenizer too: the thread must live on
            if len(requests) == 1:
                self._refuse(requests, as_error(error))
                return
            for request in requests:  # one request must not spoil the answers of its neighbours
                self._tokenise_for(model, [request], takes_one=takes_one)
            return
        _share_out(batch, requests, perf_counter() - begun_s)
        self._offer(requests, wake=len(batch.truncated) - takes_one)

    def _next_piece(self, long: LongRequest) -> None:
        begun_s = perf_counter()
        request, tokenizer = long.request, long.request.model.tokenizer
        texts = long.next_texts()
        if isinstance(request, SpansRequest):
            singles = [str(text) for text in texts]
            encodings = tokenizer.untruncated(singles, special_tokens=request.special_tokens)
            long.tokens += sum(map(len, encodings))
            if self._queue.holds(long.tokens):
                request.spans += map(spans_of, singles, encodings)
            del encodings  # an error keeps what its frames hold, and they are large
            self._queue.check(long.tokens)
        elif isinstance(request, TagRequest):
            singles = [str(text) for text in texts]
            encodings = tokenizer.untruncated(singles)
            special = request.model.token_bound.special
            long.tokens += sum(int(request.reading.count(len(encoding), special)) for encoding in encodings)
            if self._queue.holds(long.tokens):  # asked first: a long text's places in one call would stop all threads
                long.made.append(request.add(list(map(TextTokens.of, singles, encodings))))
            del encodings
            self._queue.check(long.tokens)
        else:
            made = tokenizer.encode(texts)
            long.tokens += len(made.input_ids)
            self._queue.check(long.tokens)  # before the rest is tokenised for nothing
            long.made.append(made)
        long.seconds += perf_counter() - begun_s

    def _finish(self, long: LongRequest) -> None:
        request = long.request
        if isinstance(request, SpansRequest):
            self._queue.forget([request])
            call_in_loop(request.loop, request.answer)
        else:
            batch = Batch.concatenate(long.made)
            _share_out(batch, [request], long.seconds)
            self._offer([request], wake=len(batch.truncated))

    def _offer(self, requests: list[QueuedRequest], wake: int) -> None:
        ready = []
        for request in requests:
            if request.refuse_truncation and any(request.tokens.truncated):
                place, limit = request.tokens.truncated.index(True), request.model.manifest.max_tokens
                problem = f"text {place} is longer than {limit} tokens, and truncation was refused"
                self._refuse([request], InvalidError(problem))
            else:
                ready.append(request)
        self._queue.offer(ready, wake)

    def _refuse(self, requests: list[QueuedRequest], error: Exception) -> None:
        self._queue.forget(requests)
        for request in requests:
            request.fail_soon(error)

    # Tokens to answers.

    def _run(self, taken: Taken) -> None:
        try:
            self._run_batches(taken)
        except BaseException as error:  # a bug: the thread must live on, and the requests must be answered
            for request, _ in taken:
                request.fail_soon(as_error(error))

    def _run_batches(self, taken: Taken) -> None:
        """Run what was taken, in batches of like length."""
        model = taken[0][0].model
        owners = [(request, text) for request, texts in taken for text in texts]
        merged = Batch.concatenate([_select(request.tokens.batch, texts) for request, texts in taken])
        for places, part in plan.split(merged, model.budget, padded=model.padded):
            self._run_batch(part, [owners[place] for place in places.tolist()])

    def _run_batch(self, batch: Batch, owners: Owners) -> None:
        self.watch.begin()
        begun_s = perf_counter()
        first = owners[0][0]
        try:
            alone = self._queue.is_quiet()
            rows = first.model.run(first.task, batch, alone=alone)
        except BaseException as error:
            if len(owners) == 1:
                first.fail_soon(as_error(error))
                return
            for place, owner in enumerate(owners):  # one text must not spoil the answers of its neighbours
                self._run_batch(batch.select(np.array([place])), [owner])
            return
        seconds, tokens = perf_counter() - begun_s, int(batch.offsets[-1])
        seconds *= first.model.width(first.task, alone=alone)
        for (request, text), row in zip(owners, rows, strict=True):
            request.put(text, row)
        complete = self._queue.count_answers([request for request, _ in owners], tokens, seconds)
        for loop in {request.loop for request in complete}:
            call_in_loop(loop, _answer, [request for request in complete if request.loop is loop])
        self._metrics.batch(len(owners), tokens)


def _share_out(batch: Batch, requests: Sequence[QueuedRequest], seconds: float) -> None:
    """Give each request its part of what was tokenised together."""
    lengths, truncated, start = batch.lengths.tolist(), batch.truncated.tolist(), 0
    for request in requests:
        end = start + request.count
        part = batch if len(requests) == 1 else batch.select(np.arange(start, end))
        request.tokenised(Tokens(part, lengths[start:end], truncated[start:end], seconds))
        start = end


def _select(batch: Batch, texts: list[int]) -> Batch:
    return batch if len(batch.truncated) == 1 else batch.select(np.array(texts))


def _answer(requests: list[QueuedRequest]) -> None:
    for request in requests:
        request.answer()
