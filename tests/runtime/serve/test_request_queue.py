"""The queue: what is admitted, what is taken next, and what is counted."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch
from torchless.serve.errors import ClientLeftError, NotReadyError, OverloadedError, TimedOutError, TooLargeError
from torchless.serve.long_texts import LongRequest, LongTexts
from torchless.serve.queued_request import QueuedRequest
from torchless.serve.request_queue import RequestQueue
from torchless.serve.settings import Settings

from .served import FakeServedModel, ask, running, until, words


def test_tasks_are_not_mixed_and_no_request_is_forgotten(queue: RequestQueue, model: FakeServedModel) -> None:
    async def scenario() -> list[list[float]]:
        tasks = [ask(queue, model, [words(i)], "scores" if i % 2 else "embeddings") for i in range(1, 31)]
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [[i + 2.0] for i in range(1, 31)]
    assert queue.queued_tokens == 0
    assert queue.queued_requests == 0


@pytest.mark.parametrize("queue", [Settings(budget_tokens=100)], indirect=True)
def test_a_long_list_gives_up_its_turn_between_pieces(queue: RequestQueue, model: FakeServedModel) -> None:
    async def scenario() -> None:
        model.gate.clear()
        long = asyncio.ensure_future(ask(queue, model, [words(48)] * 10))
        await asyncio.sleep(0.05)
        lone = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await until(lambda: queue.queued_requests == 2)
        model.gate.set()
        await asyncio.gather(long, lone)

    asyncio.run(scenario())
    turns = [lengths for _, lengths in model.batches]
    assert [3] in [lengths[:1] for lengths in turns[:3]]
    assert sum(len(lengths) for lengths in turns) == 11


@pytest.mark.parametrize("queue", [Settings(budget_tokens=100)], indirect=True)
def test_a_list_of_which_a_part_fitted_keeps_its_place(queue: RequestQueue, model: FakeServedModel) -> None:
    async def scenario() -> None:
        model.gate.clear()
        lists = [[words(1)], [words(58)], [words(28)] * 2, [words(58)]]
        tasks = [asyncio.ensure_future(ask(queue, model, lists[0]))]
        await asyncio.sleep(0.05)
        tasks += [asyncio.ensure_future(ask(queue, model, texts)) for texts in lists[1:]]
        await until(lambda: queue.queued_requests == 3)
        model.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert [sorted(lengths) for _, lengths in model.batches] == [[3], [30, 60], [30, 60]]


@pytest.mark.parametrize("queue", [Settings(max_queue_tokens=80)], indirect=True)
def test_admission_counts_tokens_and_says_when_to_come_back(queue: RequestQueue, model: FakeServedModel) -> None:
    async def scenario() -> None:
        with pytest.raises(TooLargeError, match="186 tokens, and the queue holds 80"):
            await ask(queue, model, [words(60)] * 3)
        with pytest.raises(TooLargeError, match="81 tokens, and the queue holds 80"):  # before they are tokenised
            await ask(queue, model, ["a"] * 81)
        model.gate.clear()
        first = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await asyncio.sleep(0.05)
        waiting = [asyncio.ensure_future(ask(queue, model, [words(36)])) for _ in range(3)]
        await until(lambda: queue.queued_requests == 3)
        assert queue.queued_tokens == 3 * 5  # a share of the queue each: the one worker has not come to tokenise them
        model.gate.set()
        assert await first == [3.0]
        assert sorted(map(str, await asyncio.gather(*waiting, return_exceptions=True)))[1:] == ["[38.0]", "[38.0]"]
        (refused,) = [each.exception() for each in waiting if each.exception()]
        assert isinstance(refused, OverloadedError)
        assert refused.retry_after_s == 1
        assert await ask(queue, model, ["x" * 200]) == [3.0]  # there is room again, and it is one unknown token

    asyncio.run(scenario())
    assert queue.queued_tokens == 0


@pytest.mark.parametrize("queue", [Settings(max_queue_tokens=800)], indirect=True)
def test_a_short_text_counts_as_the_most_tokens_that_it_can_have(queue: RequestQueue, model: FakeServedModel) -> None:
    async def scenario() -> None:
        model.gate.clear()
        first = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await asyncio.sleep(0.05)
        waiting = [asyncio.ensure_future(ask(queue, model, ["good"])) for _ in range(133)]
        await until(lambda: queue.queued_requests == 133)
        assert queue.queued_tokens == 133 * (4 + 2)
        with pytest.raises(OverloadedError, match="798 tokens wait, and up to 6 more would pass the limit of 800"):
            await ask(queue, model, ["good"])
        model.gate.set()
        await asyncio.gather(first, *waiting)

    asyncio.run(scenario())


@pytest.mark.parametrize("queue", [Settings(max_queue_tokens=1000)], indirect=True)
@pytest.mark.parametrize("before", [" " * 19_000, "!!" * 9_000, "\ufdfa" * 3_000])
def test_no_client_s_texts_change_what_those_of_others_count(
    queue: RequestQueue, model: FakeServedModel, before: str
) -> None:
    async def count() -> int:
        model.gate.clear()
        first = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await asyncio.sleep(0.05)
        waiting = asyncio.ensure_future(ask(queue, model, ["a good text"] * 3))
        await until(lambda: queue.queued_requests == 1)
        counted = queue.queued_tokens
        model.gate.set()
        await asyncio.gather(first, waiting)
        return counted

    async def scenario() -> None:
        begun = await count()
        for _ in range(50):
            await ask(queue, model, [before])
        assert await count() == begun

    asyncio.run(scenario())


def test_the_measured_rate_is_that_of_tokens_and_not_of_batches() -> None:
    queue = RequestQueue(Settings(), 1)
    for tokens, seconds in [(1000, 1.0), (3, 0.02)] * 100:
        queue.count_answers([], tokens, seconds)
    assert 970 < queue.tokens_per_s < 1000


def test_what_waits_when_the_server_ends_is_refused(queue: RequestQueue, model: FakeServedModel) -> None:
    async def scenario() -> None:
        model.gate.clear()
        first = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await asyncio.sleep(0.05)
        waiting = asyncio.ensure_future(ask(queue, model, [words(2)]))
        await until(lambda: queue.queued_requests == 1)
        queue.close()
        model.gate.set()
        assert await first == [3.0]
        with pytest.raises(NotReadyError):
            await waiting
        with pytest.raises(NotReadyError):
            await ask(queue, model, [words(1)])

    asyncio.run(scenario())


def test_a_small_backlog_is_shared_with_a_worker_that_is_still_busy(model: FakeServedModel) -> None:
    first, second = threading.Event(), threading.Event()
    entered: list[threading.Event] = []

    def run(task: str, batch: Batch, **_: bool) -> NDArray[np.float32]:
        model.batches.append((task, batch.lengths.tolist()))
        if len(model.batches) <= 2:
            entered.append(gate := [first, second][len(entered)])
            gate.wait(10)
        return batch.lengths.astype(np.float32)[:, None]

    model.run = run  # type: ignore[method-assign]

    async def four_wait_while_one_of_two_is_busy(queue: RequestQueue) -> None:
        busy = []
        for count in (1, 2):
            busy.append(asyncio.ensure_future(ask(queue, model, ["good"])))
            while len(entered) < count:
                await asyncio.sleep(0.001)
        waiting = [asyncio.ensure_future(ask(queue, model, ["good"])) for _ in range(4)]
        await asyncio.sleep(0)
        first.set()
        await asyncio.gather(*waiting)
        second.set()
        await asyncio.gather(*busy)

    try:
        with running(workers=2) as queue:
            asyncio.run(four_wait_while_one_of_two_is_busy(queue))
    finally:
        first.set()
        second.set()
    assert len(model.batches[2][1]) == 2


def test_of_long_requests_the_one_with_the_least_left_is_next_and_none_waits_for_ever() -> None:
    def long(*sizes: int, arrived_s: float = 0.0) -> LongRequest:
        request = SimpleNamespace(
            texts=["x" * size for size in sizes], characters=sum(sizes), over=False, arrived_s=arrived_s
        )
        return LongRequest(request)  # type: ignore[arg-type]

    waiting, first, second = LongTexts(), long(*[30_000] * 4), long(70_000)
    assert waiting.put(first)
    assert waiting.put(second)
    assert waiting.take() is second
    assert len(second.next_texts()) == 1
    assert second.is_whole
    assert waiting.take() is first
    assert len(first.next_texts()) == 4, "the same text costs once"
    for arrived_s, before in ((2.0, True), (4.0, False)):
        waiting.put(old := long(400_000))
        waiting.put(new := long(100_000, arrived_s=arrived_s))
        assert [waiting.take(), waiting.take()] == ([new, old] if before else [old, new])
    assert waiting.put(third := long(30_000))
    assert waiting.close() == [third.request]
    assert waiting.take() is None
    assert not waiting.put(first)


def held_tokenising(model: FakeServedModel) -> threading.Event:
    """Let tokenising wait for the model's gate, which is closed; the event says that it has begun."""
    encode, begun = model.tokenizer.encode, threading.Event()

    def slow(texts: list[str]) -> Batch:
        begun.set()
        model.gate.wait(10)
        return encode(texts)

    model.tokenizer.encode = slow  # type: ignore[method-assign, assignment]
    model.gate.clear()
    return begun


@pytest.mark.parametrize("way", ["it takes too long", "its client leaves", "its work is cancelled"])
def test_a_long_request_that_is_over_counts_no_more_whatever_goes_before_it(model: FakeServedModel, way: str) -> None:
    begun = held_tokenising(model)

    async def scenario(queue: RequestQueue) -> None:
        first = asyncio.ensure_future(ask(queue, model, [words(20_000), "! " * 30_000]))
        await until(begun.is_set)
        alone = queue.queued_tokens
        requests = [QueuedRequest(model, "embeddings", [words(20_000)]) for _ in range(3)]  # type: ignore[arg-type]
        others = [asyncio.ensure_future(queue.submit(request)) for request in requests]
        await until(lambda: queue.queued_requests == 3)
        for request, task in zip(requests, others, strict=True):
            if way == "its client leaves":
                request.fail(ClientLeftError())
            elif way == "its work is cancelled":
                task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        assert (queue.queued_requests, queue.queued_tokens) == (0, alone), "the first is being tokenised"
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        model.gate.set()
        await until(lambda: queue.queued_tokens == 0)
        assert queue.queued_requests == 0, "what is over does not wait for its next piece"

    limit_s = 0.5 if way == "it takes too long" else 30.0
    with running(Settings(request_timeout_s=limit_s)) as queue:
        asyncio.run(scenario(queue))


def test_a_long_request_ends_with_the_server(queue: RequestQueue, model: FakeServedModel) -> None:
    begun = held_tokenising(model)

    async def scenario() -> None:
        tasks = [asyncio.ensure_future(ask(queue, model, [words(20_000)])) for _ in range(2)]
        tasks.append(asyncio.ensure_future(ask(queue, model, [words(15_000), "! " * 30_000])))
        await until(begun.is_set)
        queue.close()
        model.gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert {type(answer) for answer in answers} == {NotReadyError}

    asyncio.run(scenario())


def test_what_a_request_has_spent_before_counts_towards_its_limit(queue: RequestQueue, model: FakeServedModel) -> None:
    model.gate.clear()

    async def scenario() -> None:
        request = QueuedRequest(model, "embeddings", ["good"])  # type: ignore[arg-type]
        begun = time.monotonic()
        with pytest.raises(TimedOutError, match="no answer within 30 s"):
            await queue.submit(request, 30.0, 29.9)
        assert time.monotonic() - begun < 5

    try:
        asyncio.run(scenario())
    finally:
        model.gate.set()
