"""The workers, with a model that notes what it is given: tokenising, batches, and what goes wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from torchless.errors import InferenceError
from torchless.inputs.tokens import Batch
from torchless.running.plan import BUDGETS
from torchless.serve.request_queue import RequestQueue

from .served import FakeServedModel, ask, until, words


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
    model.run = lambda _, batch: batch.lengths.astype(np.float32)[:, None]  # type: ignore[method-assign, assignment]

    async def scenario() -> None:
        long = asyncio.ensure_future(ask(queue, model, [words(20_000)]))
        assert await ask(queue, model, [words(1)]) == [3.0]
        assert not long.done()
        model.gate.set()
        assert await long == [64.0]  # as many as the model takes
        assert queue._tokens_per_character > 0.1, "a text that was cut taught a wrong ratio"

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
