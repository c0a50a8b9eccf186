"""The queue and its workers, with an engine that notes what it is given."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless.encoder import Encoder
from torchless.errors import InferenceError
from torchless.inputs.tokens import Batch
from torchless.running.plan import BUDGETS
from torchless.serve.batcher import Batcher, Job
from torchless.serve.errors import NotReadyError, OverloadedError, TooLargeError
from torchless.serve.metrics import Metrics
from torchless.serve.settings import Settings


class FakeEngine:
    """Answers each text with its number of tokens, once its gate is open; refuses a token."""

    def __init__(self, path: Path) -> None:
        model = Encoder.load(path, threads=1)
        self.tokenizer, self.manifest = model.tokenizer, model.manifest
        self.width = {"embedding": 1, "scores": 1}
        self.padded = False
        self.budget = BUDGETS["cpu"]
        self.batches: list[tuple[str, list[int]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.refused_token: int | None = None

    def run(self, task: str, batch: Batch) -> NDArray[np.float32]:
        self.gate.wait(10)
        self.batches.append((task, batch.lengths.tolist()))
        if self.refused_token is not None and (batch.input_ids == self.refused_token).any():
            raise InferenceError("no")
        return batch.lengths.astype(np.float32)[:, None]


@pytest.fixture
def engine(tiny: Path) -> FakeEngine:
    return FakeEngine(tiny)


@pytest.fixture
def batcher(request: pytest.FixtureRequest) -> Iterator[Batcher]:
    settings = getattr(request, "param", Settings())
    running = Batcher(settings, 1, Metrics())
    yield running
    running.close()


async def ask(batcher: Batcher, engine: Any, texts: list[str], task: Any = "embedding") -> list[float]:
    job = Job(engine, task, texts, refuse_truncation=False)
    await batcher.submit(job)
    return [float(value) for value in job.rows[:, 0]]


def words(count: int) -> str:
    return " ".join(["!"] * count)  # one token each; two more are special


async def until_taken(batcher: Batcher, requests: int) -> None:
    """Until all but so many requests have been taken from the queue."""
    while batcher.queued_requests != requests:
        await asyncio.sleep(0.001)


def test_what_waited_is_run_together_sorted_and_in_batches_of_the_plan(batcher: Batcher, engine: FakeEngine) -> None:
    async def scenario() -> list[list[float]]:
        engine.gate.clear()
        first = asyncio.ensure_future(ask(batcher, engine, [words(1)]))
        await asyncio.sleep(0.05)  # a worker has it
        rest = [asyncio.ensure_future(ask(batcher, engine, [words(5 + 40 * (i % 2))])) for i in range(20)]
        await until_taken(batcher, 20)
        engine.gate.set()
        return [await first, *[await each for each in rest]]

    answers = asyncio.run(scenario())
    assert answers == [[3.0]] + [[7.0], [47.0]] * 10
    assert engine.batches[0] == ("embedding", [3])
    for _, lengths in engine.batches[1:]:
        assert sum(lengths) <= BUDGETS["cpu"].tokens
    assert engine.batches[1][1][:10] == [7] * 10  # like with like
    assert len(engine.batches) < 6


def test_tasks_are_not_mixed_and_nobody_is_forgotten(batcher: Batcher, engine: FakeEngine) -> None:
    async def scenario() -> list[list[float]]:
        tasks = [ask(batcher, engine, [words(i)], "scores" if i % 2 else "embedding") for i in range(1, 31)]
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [[i + 2.0] for i in range(1, 31)]
    assert batcher.queued_tokens == 0
    assert batcher.queued_requests == 0


def test_a_text_that_the_model_refuses_fails_alone(batcher: Batcher, engine: FakeEngine) -> None:
    engine.refused_token = int(engine.tokenizer.encode(["?"]).input_ids[1])

    async def scenario() -> list[Any]:
        engine.gate.clear()
        tasks = [asyncio.ensure_future(ask(batcher, engine, [text])) for text in ("!", "! !", "?", "! ! !", "! ?")]
        await asyncio.sleep(0.05)
        engine.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert [type(answer) for answer in answers] == [list, list, InferenceError, list, InferenceError]


def test_a_long_list_gives_up_its_turn_between_pieces(tiny: Path) -> None:
    engine = FakeEngine(tiny)
    batcher = Batcher(Settings(budget_tokens=100), 1, Metrics())

    async def scenario() -> None:
        engine.gate.clear()
        long = asyncio.ensure_future(ask(batcher, engine, [words(48)] * 10))
        await asyncio.sleep(0.05)
        lone = asyncio.ensure_future(ask(batcher, engine, [words(1)]))
        await until_taken(batcher, 2)
        engine.gate.set()
        await asyncio.gather(long, lone)

    asyncio.run(scenario())
    batcher.close()
    turns = [lengths for _, lengths in engine.batches]
    assert [3] in [lengths[:1] for lengths in turns[:3]]
    assert sum(len(lengths) for lengths in turns) == 11


def test_a_list_of_which_a_part_fitted_keeps_its_place(tiny: Path) -> None:
    engine = FakeEngine(tiny)
    batcher = Batcher(Settings(budget_tokens=100), 1, Metrics())

    async def scenario() -> None:
        engine.gate.clear()
        lists = [[words(1)], [words(58)], [words(28)] * 2, [words(58)]]
        tasks = [asyncio.ensure_future(ask(batcher, engine, lists[0]))]
        await asyncio.sleep(0.05)
        tasks += [asyncio.ensure_future(ask(batcher, engine, texts)) for texts in lists[1:]]
        await until_taken(batcher, 3)
        engine.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    batcher.close()
    assert [sorted(lengths) for _, lengths in engine.batches] == [[3], [30, 60], [30, 60]]


def test_nobody_waits_while_a_very_long_text_is_tokenised(batcher: Batcher, engine: FakeEngine) -> None:
    encode = engine.tokenizer.encode

    def slow(texts: list[str]) -> Batch:
        if len(texts[0]) > 20_000:
            engine.gate.wait(10)
        return encode(texts)

    engine.tokenizer.encode = slow  # type: ignore[method-assign, assignment]
    engine.gate.clear()
    engine.run = lambda _, batch: batch.lengths.astype(np.float32)[:, None]  # type: ignore[method-assign, assignment]

    async def scenario() -> None:
        long = asyncio.ensure_future(ask(batcher, engine, [words(20_000)]))
        assert await ask(batcher, engine, [words(1)]) == [3.0]
        assert not long.done()
        engine.gate.set()
        assert await long == [64.0]  # as many as the model takes
        assert batcher._tokens_per_character > 0.1, "a text that was cut taught a wrong ratio"

    asyncio.run(scenario())


def test_admission_counts_tokens_and_says_when_to_come_back(tiny: Path) -> None:
    engine = FakeEngine(tiny)
    batcher = Batcher(Settings(max_queue_tokens=80), 1, Metrics())

    async def scenario() -> None:
        with pytest.raises(TooLargeError, match="the queue holds 80"):
            await ask(batcher, engine, ["x" * 200] * 3)
        engine.gate.clear()
        running = asyncio.ensure_future(ask(batcher, engine, [words(1)]))
        await asyncio.sleep(0.05)
        waiting = asyncio.ensure_future(ask(batcher, engine, [words(60)]))
        await until_taken(batcher, 1)
        estimate = batcher.queued_tokens  # the one worker has not come to tokenise it
        assert 20 < estimate < 80
        with pytest.raises(OverloadedError, match=f"{estimate} tokens wait") as caught:
            await ask(batcher, engine, ["x" * 200])
        assert caught.value.retry_after_s == 1
        engine.gate.set()
        assert await running == [3.0]
        assert await waiting == [62.0]
        assert await ask(batcher, engine, ["x" * 200]) == [3.0]  # there is room again, and it is one unknown token

    asyncio.run(scenario())
    batcher.close()


def test_what_waits_when_the_server_ends_is_refused(tiny: Path) -> None:
    engine = FakeEngine(tiny)
    batcher = Batcher(Settings(), 1, Metrics())

    async def scenario() -> None:
        engine.gate.clear()
        running = asyncio.ensure_future(ask(batcher, engine, [words(1)]))
        await asyncio.sleep(0.05)
        waiting = asyncio.ensure_future(ask(batcher, engine, [words(2)]))
        await until_taken(batcher, 1)
        batcher.close()
        engine.gate.set()
        assert await running == [3.0]
        with pytest.raises(NotReadyError):
            await waiting
        with pytest.raises(NotReadyError):
            await ask(batcher, engine, [words(1)])

    asyncio.run(scenario())


def test_a_small_backlog_is_shared_with_a_worker_that_is_still_busy(engine: FakeEngine) -> None:
    batcher = Batcher(Settings(), 2, Metrics())
    first, second = threading.Event(), threading.Event()
    entered: list[threading.Event] = []

    def run(task: str, batch: Batch) -> NDArray[np.float32]:
        engine.batches.append((task, batch.lengths.tolist()))
        if len(engine.batches) <= 2:
            entered.append(gate := [first, second][len(entered)])
            gate.wait(10)
        return batch.lengths.astype(np.float32)[:, None]

    engine.run = run  # type: ignore[method-assign]

    async def four_wait_while_one_of_two_is_busy() -> None:
        busy = []
        for count in (1, 2):
            busy.append(asyncio.ensure_future(ask(batcher, engine, ["good"])))
            while len(entered) < count:
                await asyncio.sleep(0.001)
        waiting = [asyncio.ensure_future(ask(batcher, engine, ["good"])) for _ in range(4)]
        await asyncio.sleep(0)
        first.set()
        await asyncio.gather(*waiting)
        second.set()
        await asyncio.gather(*busy)

    try:
        asyncio.run(four_wait_while_one_of_two_is_busy())
    finally:
        first.set()
        second.set()
        batcher.close()
    assert len(engine.batches[2][1]) == 2


@pytest.mark.parametrize("part", ["run", "tokenizer"])
def test_a_worker_outlives_a_bug_and_the_request_hears_of_it(
    batcher: Batcher, engine: FakeEngine, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before_and_after() -> list[float]:
        with monkeypatch.context() as patch:
            patch.setattr(engine, part, None)
            with pytest.raises((TypeError, AttributeError), match="NoneType"):
                await asyncio.wait_for(ask(batcher, engine, ["good"]), 5)
        return await asyncio.wait_for(ask(batcher, engine, ["good"]), 5)

    assert asyncio.run(before_and_after()) == [float(engine.tokenizer.encode(["good"]).lengths[0])]
    assert batcher.queued_tokens == 0
