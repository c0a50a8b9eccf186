"""Workers that end are begun again; one that hangs turns readiness off, and then ends the process."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from torchless.serve import awake
from torchless.serve.aside import Aside
from torchless.serve.service import Service
from torchless.serve.settings import Settings
from torchless.serve.watch import Watch

from .conftest import Server


def test_what_ends_is_begun_again() -> None:
    runs, done = [], threading.Event()

    def work() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise SystemExit
        done.set()

    Watch().start("name", work)
    assert done.wait(5)


def test_a_thread_that_hangs_is_seen_until_it_goes_on(tiny: Path) -> None:
    watch, go_on, over = Watch(), threading.Event(), threading.Event()

    def work() -> None:
        watch.begin()
        go_on.wait(10)
        watch.rest()
        over.set()

    service = Service({"tiny": tiny}, Settings(request_timeout_s=0.01))
    service.load()
    service._watch = watch
    try:
        assert service.ready
        watch.start("name", work)
        time.sleep(0.05)
        assert 0.04 < watch.longest_s() < 5
        assert service.ready, "no request's limit is so short that a batch passes it by chance"
        watch._begun_s = {each: begun_s - 6 for each, begun_s in watch._begun_s.items()}
        assert not service.ready
        assert service.hangs()
        assert not service.hangs(3)
        go_on.set()
        assert over.wait(5)
        assert service.ready
    finally:
        service.close()


def test_a_tokenizer_that_panics_costs_one_request(
    start: Callable[..., Server], tiny_copy: Path, rewrite: Callable[..., None]
) -> None:
    state = json.loads((tiny_copy / "tokenizer.json").read_bytes())
    pattern = {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated", "invert": False}
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [pattern, state["pre_tokenizer"]]}
    data = json.dumps(state).encode()
    (tiny_copy / "tokenizer.json").write_bytes(data)
    entry = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rewrite(lambda fields: fields["files"].update({"tokenizer.json": entry}))
    server = start(tiny_copy, "--workers", 1, "--request-timeout-s", 4)
    for _ in range(3):
        status, _, answer = server.request("POST", "/predict", {"inputs": "x" * 40})
        assert status in (422, 500), answer
        assert b"xxx" not in answer
        assert server.request("POST", "/predict", {"inputs": "good"})[0] == 200
    assert server.request("GET", "/ready")[0] == 200
    assert server.metric("torchless_queue_tokens") == 0


PATCH = """
import time
from torchless.serve import watch
from torchless.serve.served_model import ServedModel

watch._LEAST_HANG_S = 0.5
run = ServedModel.run
ServedModel.run = lambda *given, **how: time.sleep(60) if given[1] == "embeddings" else run(*given, **how)
"""


def test_a_hang_turns_readiness_off_and_ends_the_process(
    start: Callable[..., Server], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(PATCH)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    server = start(tiny, "--workers", 2, "--request-timeout-s", 0.5, "--max-drain-s", 1)
    assert server.request("POST", "/embed", {"inputs": "good"})[0] == 503
    assert server.request("POST", "/predict", {"inputs": "good"})[0] == 200, "the other worker answers"
    time.sleep(0.3)
    status, _, answer = server.request("GET", "/ready")
    assert (status, json.loads(answer)) == (503, {"status": "hangs"})
    assert server.process.wait(10) == 1


def test_while_the_process_stood_still_nothing_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(awake, "perf_counter", lambda: seconds[0])
    clock = awake._AwakeClock()
    monkeypatch.setattr(awake, "now_s", clock.now_s)
    watch = Watch()
    for step_s, age_s in ((0.0, 0.0), (0.1, 0.1), (0.1, 0.2), (1000.0, 0.2), (0.1, 0.3)):
        seconds[0] += step_s
        clock.look()
        if not watch._begun_s:
            watch.begin()
        assert watch.longest_s() == pytest.approx(age_s)


def test_a_loop_that_does_not_answer_is_seen_until_it_does() -> None:
    async def scenario() -> None:
        aside = Aside()
        assert aside.behind_s() == 0
        go_on = threading.Event()

        async def hang() -> None:
            go_on.wait(10)

        work = asyncio.ensure_future(aside.run(hang(), lambda _: lambda: None, 10, RuntimeError))
        await asyncio.sleep(0.05)
        aside.behind_s()
        await asyncio.sleep(0.1)
        assert aside.behind_s() >= 0.1
        go_on.set()
        await work
        await asyncio.sleep(0.05)
        assert aside.behind_s() < 0.1
        left = asyncio.ensure_future(aside.run(asyncio.sleep(60), lambda _: lambda: None, 10, RuntimeError))
        await asyncio.sleep(0.05)
        aside.close()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(left, 5)

    asyncio.run(scenario())


def test_what_stays_is_out_of_the_garbage_collector_s_sight_where_the_process_is_ours(tiny: Path) -> None:
    service = Service({"tiny": tiny}, Settings())
    try:
        service.load()
        assert gc.get_freeze_count() == 0
        service.owns_process = True
        old = weakref.ref(service.reload()[0])
        assert gc.get_freeze_count() > 10_000
        service.reload()
        assert old() is None
    finally:
        service.close()
        gc.unfreeze()
