"""The queue: what is admitted, what is taken next, and what is counted."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch
from torchless.serve.errors import NotReadyError, OverloadedError, TooLargeError
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
        with pytest.raises(TooLargeError, match="the queue holds 80"):
            await ask(queue, model, ["x" * 200] * 3)
        model.gate.clear()
        first = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await asyncio.sleep(0.05)
        waiting = asyncio.ensure_future(ask(queue, model, [words(60)]))
        await until(lambda: queue.queued_requests == 1)
        estimate = queue.queued_tokens  # the one worker has not come to tokenise it
        assert 20 < estimate < 80
        with pytest.raises(OverloadedError, match=f"{estimate} tokens wait") as caught:
            await ask(queue, model, ["x" * 200])
        assert caught.value.retry_after_s == 1
        model.gate.set()
        assert await first == [3.0]
        assert await waiting == [62.0]
        assert await ask(queue, model, ["x" * 200]) == [3.0]  # there is room again, and it is one unknown token

    asyncio.run(scenario())


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

    def run(task: str, batch: Batch) -> NDArray[np.float32]:
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
