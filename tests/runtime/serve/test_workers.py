"""The workers, with a model that notes what it is given: tokenising, batches, and what goes wrong."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from torchless.errors import InferenceError
from torchless.inputs.token_windows import Reading
from torchless.inputs.tokens import Batch
from torchless.running.plan import BUDGETS
from torchless.serve import quiet, workers
from torchless.serve.errors import TooLargeError
from torchless.serve.queued_request import TagRequest
from torchless.serve.request_queue import RequestQueue

from .served import FakeServedModel, ask, running, until, words


def test_what_waited_is_run_together_sorted_and_in_batches_of_the_plan(
    queue: RequestQueue, model: FakeServedModel
) -> None:
    async def scenario() -> list[list[float]]:
        model.gate.clear()
        first = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await asyncio.sleep(0.05)  # a worker has it
        rest = [asyncio.ensure_future(ask(queue, model, [words(5 + 40 * (i % 2))])) for i in range(20)]
        await until(lambda: queue.queued_requests == 20)
        model.gate.set()
        return [await first, *[await each for each in rest]]

    answers = asyncio.run(scenario())
    assert answers == [[3.0]] + [[7.0], [47.0]] * 10
    assert model.batches[0] == ("embeddings", [3])
    for _, lengths in model.batches[1:]:
        assert sum(lengths) <= BUDGETS["cpu"].tokens
    assert model.batches[1][1][:10] == [7] * 10  # like with like
    assert len(model.batches) < 6


def test_a_batch_is_alone_while_the_other_workers_have_long_had_nothing_to_do(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeServedModel(tiny)

    async def meet(queue: RequestQueue) -> None:
        """Two requests that run at the same time."""
        model.gate.clear()
        first = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await until(lambda: len(model.alone) == 2)
        second = asyncio.ensure_future(ask(queue, model, [words(1)]))
        await until(lambda: len(model.alone) == 3)
        model.gate.set()
        await asyncio.gather(first, second)
        await until(lambda: queue._quiet.idle == 2)

    async def scenario(queue: RequestQueue) -> None:
        await until(lambda: queue._quiet.idle == 2)
        await ask(queue, model, [words(1)])
        await until(lambda: queue._quiet.idle == 2)
        await meet(queue)
        await ask(queue, model, [words(1)])  # soon after
        await until(lambda: queue._quiet.idle == 2)
        monkeypatch.setattr(quiet, "_QUIET_S", 0.0)  # as if much later
        await ask(queue, model, [words(1)])

    with running(workers=2) as queue:
        asyncio.run(scenario(queue))
    assert model.alone == [True, True, False, False, True]


def test_idle_threads_keep_no_model(tiny: Path) -> None:
    """Or after a reload the memory of the old one would stay for as long as few requests come."""

    async def scenario(queue: RequestQueue, model: FakeServedModel) -> None:
        model.gate.clear()
        asked = [asyncio.ensure_future(ask(queue, model, [words(1)])) for _ in range(2)]
        long = asyncio.ensure_future(ask(queue, model, [words(1), words(20_000)]))
        await until(lambda: queue._quiet.idle == 0)
        model.gate.set()
        await asyncio.gather(*asked, long)
        await until(lambda: queue._quiet.idle == 2)

    with running(workers=2) as queue:
        model = FakeServedModel(tiny)
        asyncio.run(scenario(queue, model))
        seen = weakref.ref(model)
        del model
        gc.collect()
        assert seen() is None


def test_a_text_that_the_model_refuses_fails_alone(queue: RequestQueue, model: FakeServedModel) -> None:
    model.refused_token = int(model.tokenizer.encode(["?"]).input_ids[1])

    async def scenario() -> list[Any]:
        model.gate.clear()
        tasks = [asyncio.ensure_future(ask(queue, model, [text])) for text in ("!", "! !", "?", "! ! !", "! ?")]
        await asyncio.sleep(0.05)
        model.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert [type(answer) for answer in answers] == [list, list, InferenceError, list, InferenceError]


def test_no_request_waits_while_a_very_long_text_is_tokenised(queue: RequestQueue, model: FakeServedModel) -> None:
    encode = model.tokenizer.encode

    def slow(texts: list[str]) -> Batch:
        if len(texts[0]) > 20_000:
            model.gate.wait(10)
        return encode(texts)

    model.tokenizer.encode = slow  # type: ignore[method-assign, assignment]
    model.gate.clear()
    model.run = lambda _, batch, **__: batch.lengths.astype(np.float32)[:, None]  # type: ignore[method-assign, assignment]

    async def scenario() -> None:
        long = asyncio.ensure_future(ask(queue, model, [words(20_000)]))
        assert await ask(queue, model, [words(1)]) == [3.0]
        assert not long.done()
        model.gate.set()
        assert await long == [64.0]  # as many as the model takes

    asyncio.run(scenario())


@pytest.mark.parametrize("part", ["run", "tokenizer"])
def test_a_worker_outlives_a_bug_and_the_request_hears_of_it(
    queue: RequestQueue, model: FakeServedModel, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before_and_after() -> list[float]:
        with monkeypatch.context() as patch:
            patch.setattr(model, part, None)
            with pytest.raises((TypeError, AttributeError), match="NoneType"):
                await asyncio.wait_for(ask(queue, model, ["good"]), 5)
        return await asyncio.wait_for(ask(queue, model, ["good"]), 5)

    assert asyncio.run(before_and_after()) == [float(model.tokenizer.encode(["good"]).lengths[0])]
    assert queue.queued_tokens == 0


class Panic(BaseException):
    """What a panic in Rust is for Python: no Exception."""


@pytest.mark.parametrize("part", ["run", "encode"])
@pytest.mark.parametrize("long", [False, True])
def test_a_panic_ends_one_request_and_no_thread(
    queue: RequestQueue, model: FakeServedModel, part: str, long: bool
) -> None:
    owner = model if part == "run" else model.tokenizer
    works = getattr(owner, part)
    text = "? " * 15_000 if long else "?"
    mark = int(model.tokenizer.encode(["?"]).input_ids[1])

    def panics(*arguments: Any, **how: Any) -> Any:
        given = arguments[-1]
        if (mark in given.input_ids) if part == "run" else any("?" in each for each in given):
            raise Panic("a secret text")
        return works(*arguments, **how)

    setattr(owner, part, panics)

    async def scenario() -> None:
        for _ in range(3):
            tasks = [asyncio.ensure_future(ask(queue, model, [each])) for each in ("good", text, "bad")]
            answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
            assert [type(answer) for answer in answers] == [list, InferenceError, list]
            assert "secret" not in str(answers[1])

    asyncio.run(scenario())
    assert queue.queued_tokens == 0


def test_a_text_to_tag_that_no_queue_holds_is_refused_before_places_are_made_of_it(
    queue: RequestQueue, model: FakeServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(workers, "TextTokens", SimpleNamespace(of=lambda text, _: made.append(text)))
    model.columns["tags"] = 1

    async def scenario() -> None:
        reading = Reading(62, 0, truncate=False, side="right")
        with pytest.raises(TooLargeError, match="the queue holds 32768"):
            await queue.submit(TagRequest(model, [words(40_000)], reading))  # type: ignore[arg-type]

    asyncio.run(scenario())
    assert not made
    assert queue.queued_tokens == 0


def test_a_long_list_that_no_queue_holds_is_refused_before_all_of_it_is_tokenised(
    queue: RequestQueue, model: FakeServedModel
) -> None:
    encode, tokenised = model.tokenizer.encode, []

    def noted(texts: list[str]) -> Batch:
        tokenised.append(len(texts))
        return encode(texts)

    model.tokenizer.encode = noted  # type: ignore[method-assign, assignment]

    async def scenario() -> None:
        with pytest.raises(TooLargeError, match="the queue holds 32768"):
            await ask(queue, model, [f"{place} {words(400)}" for place in range(1000)])

    asyncio.run(scenario())
    assert sum(tokenised) < 700  # each has 64 tokens
    assert queue.queued_tokens == 0
