"""Processes of a server that are stopped or hang, and those that cannot be begun."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from torchless.serve import server as one_of_several
from torchless.serve import supervisor as supervising
from torchless.serve.channel import Channel, PeerError
from torchless.serve.child import Child
from torchless.serve.handover import _STALE_S
from torchless.serve.reloads import Prepared
from torchless.serve.settings import Settings
from torchless.serve.supervisor import Supervisor
from torchless.serve.whole import SILENT_S, Cell

from .conftest import Server
from .test_processes import KEY, children, until

Start = Callable[..., Server]
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")

SOONER = """
from torchless.serve import child, watch, whole

child.SILENT_S = whole.SILENT_S = 1.0
watch._LEAST_HANG_S = {hang}
"""
NO_THIRD_PROCESS = """
import errno, os

fork, calls = os.fork, []

def refuse():
    calls.append(1)
    if len(calls) == 3:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

os.fork = refuse
"""


@pytest.fixture
def patched(start: Start, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Server]:
    """Start a server of two processes in which some code runs first."""

    def start_patched(code: str, *arguments: object) -> Server:
        (tmp_path / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        return start(tiny, "--processes", 2, "--api-key", "k", *arguments)

    return start_patched


def readiness(server: Server) -> tuple[int, str]:
    status, _, answer = server.request("GET", "/ready")
    return status, json.loads(answer)["status"]


def test_while_a_process_is_stopped_the_server_is_not_ready_and_a_reload_fails(patched: Callable[..., Server]) -> None:
    server = patched(SOONER.format(hang=30))
    models = server.get("/info", KEY)["models"]
    stopped = children(server)[0]
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(1.5 * _STALE_S)  # until then a new connection may be sent to it
    until(lambda: readiness(server) == (503, "hangs"))
    for _ in range(2):
        status, headers, answer = server.request("POST", "/admin/reload", {}, KEY)
        assert (status, "retry-after" in headers) == (503, True), answer
        assert f"process {stopped} does not answer" in json.loads(answer)["error"]
    os.kill(stopped, signal.SIGCONT)
    until(lambda: readiness(server) == (200, "ready"))
    assert server.get("/info", KEY)["models"] == models
    assert server.request("POST", "/admin/reload", {}, KEY)[0] == 200


def test_a_process_that_stays_stopped_is_replaced(patched: Callable[..., Server]) -> None:
    server = patched(SOONER.format(hang=0.6), "--request-timeout-s", 0.5)
    stopped = children(server)[0]
    os.kill(stopped, signal.SIGSTOP)
    line = server.wait_for("a process ended, and is replaced")
    assert line["pid"] == stopped
    assert line["error"].startswith("it hung for ")
    until(lambda: len(children(server)) == 2 and readiness(server) == (200, "ready"))


def test_sigterm_ends_a_stopped_process_within_the_time_that_is_promised(patched: Callable[..., Server]) -> None:
    server = patched("", "--max-drain-s", 0.1)
    os.kill(children(server)[0], signal.SIGSTOP)
    assert server.stop() == 1
    own_end_s = one_of_several._LAST_REQUESTS_S + one_of_several._GRACE_S
    assert own_end_s < supervising._GRACE_S < 2, "docs/serving.md: at the latest 2 s later"


def test_a_process_that_cannot_be_begun_is_tried_again(patched: Callable[..., Server]) -> None:
    server = patched(NO_THIRD_PROCESS)
    os.kill(children(server)[0], signal.SIGKILL)
    line = server.wait_for("a process could not be begun")
    assert "temporarily unavailable" in line["error"]
    assert readiness(server) == (200, "ready")
    until(lambda: len(children(server)) == 2)
    assert server.stop() == 0


def child(answer: Any = None) -> Child:
    return Child(0, SimpleNamespace(ask=answer), 0.0)  # type: ignore[arg-type]


def test_a_heartbeat_ends_a_silence() -> None:
    one = child()
    # An earlier process's; its own; silence; its own again.
    for beat_s, silent_s in ((6.0, 0.0), (6.0, 0.0), (7.0, 0.0), (7.0, 0.5), (7.0, 1.0), (7.1, 0.0), (7.1, 0.5)):
        one.look(beat_s, 0.5)
        assert one.silent_s == silent_s


def test_time_in_which_the_supervisor_stood_still_too_is_held_against_no_process() -> None:
    killed: list[int] = []
    supervisor = Supervisor(Settings(), 1, [], lambda *_: None)
    one = supervisor._children[0] = child()
    one.kill = lambda: killed.append(1)  # type: ignore[method-assign]
    for beat_s in (1.0, 2.0, 2.0):
        supervisor._whole.set(0, Cell.BEAT_S, beat_s)
        supervisor._look(supervisor._loop.time() - 100_000)
    assert not killed
    for _ in range(100):
        supervisor._look(supervisor._loop.time() - 100_000)
    assert killed
    supervisor._loop.close()
    supervisor._ways.close()


def test_reloads_that_wait_for_one_another_are_done_together() -> None:
    asked: list[str] = []

    async def answer(what: str, _: object) -> dict[str, str]:
        asked.append(what)
        await asyncio.sleep(0.05)
        return {"m": f"{len(asked)}"}

    async def scenario() -> list[Any]:
        first = asyncio.ensure_future(supervisor._reload(None))
        await asyncio.sleep(0.01)
        return [await first, *await asyncio.gather(*(supervisor._reload(None) for _ in range(10)))]

    supervisor = Supervisor(Settings(), 1, [], lambda *_: None)
    supervisor._children[0] = child(answer)
    assert supervisor._loop.run_until_complete(scenario()) == [{"m": "1"}] + 10 * [{"m": "3"}]
    assert asked == ["prepare", "swap"] * 2
    supervisor._children.clear()
    assert supervisor._loop.run_until_complete(supervisor._reload(None)) == {}
    supervisor._loop.close()
    supervisor._ways.close()


def test_an_answer_is_given_up_in_time_and_from_a_silent_process_at_once() -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    async def at_once(what: str, given: object) -> object:
        return what, given

    async def scenario() -> None:
        assert await child(at_once).ask("prepare", "m", within_s=60) == ("prepare", "m")
        with pytest.raises(PeerError, match="does not answer"):
            await child(never).ask("prepare", within_s=0)
        silent = child(never)
        silent.silent_s = SILENT_S + 1
        with pytest.raises(PeerError, match="does not answer"):
            await silent.ask("prepare", within_s=60)

    asyncio.run(scenario())


def test_the_end_of_a_process_is_the_answer_to_what_it_was_asked() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        channel = Channel(ours, lambda *_: asyncio.sleep(0))
        running = asyncio.ensure_future(channel.run())
        asked = asyncio.ensure_future(Child(0, channel, 0.0).ask("prepare", within_s=60))
        await asyncio.sleep(0.05)
        theirs.close()
        with pytest.raises(PeerError, match="ended meanwhile") as caught:
            await asked
        assert caught.value.kind == "NotReadyError", "nothing is wrong with the bundle: 503, not 409"
        await running

    asyncio.run(scenario())


def test_what_was_prepared_for_a_reload_that_was_given_up_is_never_swapped_in() -> None:
    async def scenario() -> None:
        prepared, go_on = Prepared[str](), threading.Event()

        def slow() -> str:
            go_on.wait(10)
            return "old"

        late = asyncio.ensure_future(prepared.make(slow))
        await asyncio.sleep(0)
        assert prepared.take() is None
        assert await prepared.make(lambda: "new") == "new"
        go_on.set()
        assert await late == "old"
        assert prepared.take() == "new"
        assert prepared.take() is None

    asyncio.run(scenario())
