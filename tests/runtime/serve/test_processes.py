"""A server of several processes is one server: killed processes, reloads, numbers, limits and ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.errors import InputError
from torchless.serve import quiet, sizing
from torchless.serve.byte_budget import ByteBudget, Share
from torchless.serve.errors import OverloadedError
from torchless.serve.handover import Handover, Ways
from torchless.serve.metrics import Metrics, merged
from torchless.serve.quiet import Quiet
from torchless.serve.settings import Settings
from torchless.serve.sizing import lone_threads, process_count
from torchless.serve.whole import Cell, State, Whole

from .conftest import Server

Start = Callable[..., Server]
KEY = {"authorization": "Bearer k"}
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")


def children(server: Server) -> list[int]:
    pid = server.process.pid
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def relabel(rewrite: Callable[..., None]) -> None:
    """Make another bundle of the copied one."""
    rewrite(lambda fields: fields.update({"labels": ["a", "b", "c"][: len(fields["labels"])]}))


def gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def connections_by_process(server: Server, pids: list[int]) -> list[int]:
    """How many accepted TCP connections each process has."""
    established = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].partition(":")[2], 16) == server.port and fields[3] == "01":
            established.add(f"socket:[{fields[9]}]")

    def links(pid: int) -> list[str]:
        return [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()]

    return [sum(link in established for link in links(pid)) for pid in pids]


# From outside


def test_connections_are_shared_out_evenly(start: Start, tiny: Path) -> None:
    server = start(tiny, "--processes", 2)
    opened = [socket.create_connection((server.host, server.port)) for _ in range(24)]
    until(lambda: sum(connections_by_process(server, children(server))) == 24)
    first, second = connections_by_process(server, children(server))
    assert abs(first - second) <= 2, "two that accept at the same moment do not know of each other"
    for each in opened:
        each.close()


def test_metrics_and_status_are_of_all_processes(start: Start, tiny: Path) -> None:
    server = start(tiny, "--processes", 2, "--workers", 1)
    for _ in range(2):
        held = [http.client.HTTPConnection(server.host, server.port) for _ in range(6)]
        for each in held:
            each.connect()
        for each in held:
            each.request("POST", "/predict", b'{"inputs": "good"}', {"content-type": "application/json"})
            assert each.getresponse().read().startswith(b"[{")
            each.close()
    until(lambda: server.get("/status")["answered_texts"] == 12)
    assert server.metric('torchless_requests_total{route="/predict",status="200"}') == 12
    assert server.metric("te_request_duration_count") == 12
    assert server.metric("torchless_processes") == 2
    status = server.get("/status")
    assert (status["workers"], status["processes"], status["ready"]) == (2, 2, True)
    for pid in children(server)[:1]:
        os.kill(pid, signal.SIGKILL)
    until(lambda: server.metric("torchless_replaced_processes") == 1)
    assert server.metric('torchless_requests_total{route="/predict",status="200"}') == 12, "no counter goes back"


def test_a_killed_process_is_replaced_and_the_others_answer(start: Start, tiny: Path) -> None:
    server = start(tiny, "--processes", 2)
    before = children(server)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: gone(before[0]))
    for _ in range(20):
        assert server.request("POST", "/predict", {"inputs": "good"})[0] == 200
        assert server.request("GET", "/ready")[0] == 200
    (line,) = [event for event in server.events() if event["event"] == "a process ended, and is replaced"]
    assert (line["pid"], line["error"]) == (before[0], "signal 9")
    until(lambda: len(children(server)) == 2 and server.get("/status")["workers"] >= 2)
    assert before[1] in children(server)
    assert server.stop() == 0


def listens(server: Server) -> bool:
    try:
        socket.create_connection((server.host, server.port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def test_processes_end_with_a_supervisor_that_is_killed(start: Start, tiny: Path) -> None:
    server = start(tiny, "--processes", 2)
    left = children(server)
    server.process.kill()
    until(lambda: all(map(gone, left)) and not listens(server))


def test_sigterm_finishes_requests_and_ends_all(start: Start, tiny: Path) -> None:
    server = start(tiny, "--processes", 2, "--drain-s", 1)
    left = children(server)
    server.begin_to_stop()
    until(lambda: server.request("GET", "/ready")[0] == 503)
    states = Counter(json.loads(server.request("GET", "/ready")[2])["status"] for _ in range(5))
    assert states == {"draining": 5}
    status, headers, _ = server.request("POST", "/predict", {"inputs": "good"})
    assert (status, headers["connection"]) == (200, "close")
    assert server.wait() == 0
    assert all(map(gone, left))
    assert [event["event"] for event in server.events()].count("draining") == 1


def test_all_processes_end_up_with_the_same_bundle_or_keep_the_old(
    start: Start, tiny_copy: Path, rewrite: Callable[..., None]
) -> None:
    server = start(f"m={tiny_copy}", "--processes", 2, "--api-key", "k")

    def digests() -> set[str]:
        """What eight connections, four to a process, are told."""
        held = [http.client.HTTPConnection(server.host, server.port) for _ in range(8)]
        for each in held:
            each.connect()
        found = set()
        for each in held:
            each.request("GET", "/info", headers=KEY)
            found.add(json.loads(each.getresponse().read())["models"][0]["sha256"])
        for each in held:
            each.close()
        return found

    (old,) = digests()
    relabel(rewrite)
    status, _, answer = server.request("POST", "/admin/reload", {}, KEY)
    assert status == 200, answer
    (new,) = digests()
    assert json.loads(answer) == [{"name": "m", "sha256": new}]
    assert new != old
    weights = next(tiny_copy.glob("weights.*"))
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    status, _, answer = server.request("POST", "/admin/reload", {}, KEY)
    assert status == 409, answer
    assert b"IntegrityError" in answer
    assert digests() == {new}
    weights.write_bytes(sound)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: sum(event["event"] == "model reloaded" for event in server.events()) == 4)
    assert server.request("POST", "/admin/reload", {"model": "x"}, KEY)[0] == 404


def test_a_process_that_finds_another_bundle_does_not_serve_it(
    start: Start, tiny_copy: Path, rewrite: Callable[..., None]
) -> None:
    server = start(tiny_copy, "--processes", 2)
    (old,) = {model["sha256"] for model in server.get("/info")["models"]}
    relabel(rewrite)
    os.kill(children(server)[0], signal.SIGKILL)
    until(lambda: any("another bundle" in str(event.get("error")) for event in server.events()))
    assert {server.get("/info")["models"][0]["sha256"] for _ in range(10)} == {old}
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.get("/info")["models"][0]["sha256"] != old)
    until(lambda: server.get("/status")["workers"] >= 2)


def test_once_no_process_serves_the_old_bundle_the_new_one_is_served(
    start: Start, tiny_copy: Path, rewrite: Callable[..., None]
) -> None:
    server = start(tiny_copy, "--processes", 2)
    (old,) = {model["sha256"] for model in server.get("/info")["models"]}
    relabel(rewrite)
    for pid in children(server):
        os.kill(pid, signal.SIGKILL)
    until(lambda: server.metric("torchless_replaced_processes") == 2)
    until(lambda: server.get("/status")["workers"] >= 2)
    assert server.get("/info")["models"][0]["sha256"] != old
    assert not [event for event in server.events() if "another bundle" in str(event.get("error"))]


@pytest.mark.parametrize("broken", ["bytes", "nothing"])
def test_a_bundle_that_cannot_be_loaded_ends_the_server_with_its_message(tiny_copy: Path, broken: str) -> None:
    weights = next(tiny_copy.glob("weights.*"))
    weights.write_bytes(b"\0" * weights.stat().st_size)
    place = tiny_copy if broken == "bytes" else "./not-there"
    command = [sys.executable, "-m", "torchless", "serve", str(place), "--port", "0", "--processes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last.startswith("torchless: ")) == (1, True), done.stderr
    assert ("sha256" if broken == "bytes" else "no bundle at not-there") in last
    assert "Traceback" not in done.stderr


def test_a_unix_socket_serves_with_several_processes(start: Start, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    start(tiny, "--uds", path, "--processes", 2)
    for _ in range(4):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_the_limit_on_connections_is_for_all_processes(start: Start, tiny: Path) -> None:
    server = start(tiny, "--processes", 2, "--max-connections", 4)
    opened = [socket.create_connection((server.host, server.port)) for _ in range(4)]
    until(lambda: sum(connections_by_process(server, children(server))) == 4)
    with socket.create_connection((server.host, server.port), timeout=5) as refused:
        assert refused.recv(100).startswith(b"HTTP/1.1 503")
    for each in opened:
        each.close()


def test_lines_of_several_processes_do_not_mix(start: Start, tiny: Path) -> None:
    server = start(tiny, "--processes", 2)
    for _ in range(60):
        server.request("POST", "/predict", {"inputs": "good"}, {"x-request-id": "i" * 128})
    until(lambda: sum(event["event"] == "request" for event in server.events()) == 60)


# From inside


def test_a_number_of_processes_that_cannot_be_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process_count([], Settings(processes=3)) == 3
    with pytest.raises(InputError, match="processes: expected 1 on a GPU, got 2; use --workers"):
        process_count([], Settings(processes=2, device="cuda"))
    with pytest.raises(InputError, match="processes: expected a number of 1 or more"):
        Settings(processes=0)
    monkeypatch.setattr("torchless.serve.sizing._CAN_FORK", False)
    assert process_count([], Settings(processes=1)) == 1
    with pytest.raises(InputError, match="processes: expected 1 on "):
        process_count([], Settings(processes=2))


@pytest.mark.parametrize(
    ("cpus", "gib", "settings", "expected"),
    [
        (1, 8, {}, 1),
        (2, 8, {}, 2),
        (2, 0.5, {}, 1),
        (4, 8, {}, 2),
        (16, 8, {}, 4),
        (64, 64, {}, 16),
        (64, 0.5, {}, 1),  # half of it
        (64, 1.5, {}, 5),
        (64, 0, {}, 1),
        (64, 64, {"workers": 8}, 1),
        (64, 64, {"device": "cuda"}, 1),
        (64, 64, {"processes": 3}, 3),
    ],
)
def test_by_default_there_are_processes_for_the_cpus_and_the_memory(
    cpus: int, gib: float, settings: dict[str, Any], expected: int, mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizing, "available_threads", lambda: cpus)
    monkeypatch.setattr(sizing, "available_bytes", lambda: gib * 2**30)
    assert process_count([str(mini)], Settings(**settings)) == expected


@pytest.mark.parametrize(
    ("settings", "processes", "gib", "expected"),
    [
        ({}, 1, 8, 8),
        ({}, 2, 8, 4),
        ({}, 4, 8, 4),  # which is more than the two of its own
        ({}, 16, 8, 4),
        ({"threads": 2}, 2, 8, 4),
        ({"workers": 3}, 1, 8, 3),
        ({"workers": 16}, 1, 8, 8),
        ({"workers": 1, "threads": 8}, 1, 0, 8),
        ({}, 1, 0.5, 8),
        ({}, 2, 0.5, 1),  # half of it is too little for two processes with three sessions each
        ({"lone_threads": 2}, 1, 0, 2),
        ({"device": "cuda"}, 1, 8, 1),
    ],
)
def test_a_batch_that_is_alone_has_the_threads_of_all_workers_if_there_is_memory_for_its_session(
    settings: dict[str, Any], processes: int, gib: float, expected: int, mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizing, "available_threads", lambda: 8)
    monkeypatch.setattr(sizing, "available_bytes", lambda: gib * 2**30)
    assert lone_threads([str(mini)], Settings(**settings), processes) == expected


def test_a_model_that_is_not_in_a_folder_counts_as_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "available_threads", lambda: 64)
    monkeypatch.setattr(sizing, "available_bytes", lambda: 16 * 2**30)
    assert process_count(["org/model"], Settings()) == 5
    monkeypatch.setattr(sizing, "available_threads", lambda: 7)
    assert process_count(["org/model"], Settings()) == 1


def test_on_other_systems_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "available_threads", lambda: 64)
    monkeypatch.setattr("torchless.serve.sizing.sys.platform", "darwin")
    assert process_count([], Settings()) == 1


def test_a_worker_is_not_alone_while_another_process_works_and_for_a_while_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [10.0]
    monkeypatch.setattr(quiet.time, "monotonic", lambda: now_s[0])
    whole = Whole(2)
    here, there = (Quiet(whole.row(place), workers=1) for place in range(2))
    here.rest()
    there.rest()
    here.work()
    assert here.look()
    there.work()  # and is done before this one looks again
    there.rest()
    assert not here.look(), "it had company"
    now_s[0] += 1.5
    assert here.look()
    assert not here.look(waits=True)
    now_s[0] += 0.5
    assert not there.look()
    now_s[0] += 1.5
    assert here.look()


def test_connections_go_to_the_process_with_the_fewest_that_lives() -> None:
    whole, ways = Whole(3), Ways(3)
    handovers = [Handover(ways, whole.row(place)) for place in range(3)]
    for place, count in enumerate((2, 0, 1)):
        whole.set(place, Cell.CONNECTIONS, count)
        whole.set(place, Cell.STATE, State.READY)
        whole.set(place, Cell.BEAT_S, time.monotonic() - (5 if place == 1 else 0))
    with socket.socket() as first, socket.socket() as second:
        assert handovers[0].away(first), "to process 2: process 1 hangs"
        assert not handovers[0].away(second), "2 and 2: one is on its way"
        whole.set(0, Cell.CONNECTIONS, 3)
        ways.redirect(2, 1)
        taken: list[socket.socket] = []
        handovers[1].take(taken.append)
        assert len(taken) == 1
        assert handovers[0].away(second), "to process 2: nothing is on its way any more"
        handovers[2].take(taken.append)
        assert len(taken) == 2
    for each in taken:
        each.close()
    ways.close()


def test_bytes_that_another_process_holds_count() -> None:
    whole = Whole(2)
    one, two = (ByteBudget(100, whole.row(place)) for place in range(2))
    Share(one).take(80)
    with pytest.raises(OverloadedError, match="take 80 bytes, and 30 more would pass the limit of 100"):
        Share(two).take(30)
    assert (one.total, two.held) == (80, 0)
    whole.clear(0)
    Share(two).take(30)
    assert two.total == 30


def test_a_server_is_ready_once_all_processes_are_and_stays_so_while_one_is_replaced() -> None:
    whole = Whole(2)
    for place in range(2):
        whole.set(place, Cell.BEAT_S, time.monotonic())
    whole.set(0, Cell.STATE, State.READY)
    assert not whole.ready
    whole.set(1, Cell.STATE, State.READY)
    assert whole.ready
    whole.set(1, Cell.BEAT_S, time.monotonic() - 10)
    assert not whole.ready, "it is stopped: it cannot say so itself"
    whole.open()
    whole.set(1, Cell.ANSWERED_TEXTS, 7)
    whole.clear(1)
    assert whole.ready
    assert whole.answered_texts == 7
    whole.set(0, Cell.STATE, State.HANGS)
    assert not whole.ready


def test_counts_are_added_and_gauges_are_not() -> None:
    one, two = Metrics(), Metrics()
    one.gauges(lambda: [("g", "A gauge.", 5.0)])
    for metrics in (one, one, two):
        metrics.request("/predict", 200)
        metrics.batch(1, 3)
    two.request("/predict", 422)
    text = one.text(merged([two.counts(), []])).decode()
    assert 'torchless_requests_total{route="/predict",status="200"} 3.0\n' in text
    assert 'torchless_requests_total{route="/predict",status="422"} 1.0\n' in text
    assert 'te_batch_next_tokens_bucket{le="4.0"} 3.0\n' in text
    assert "\ng 5.0\n" in text
    alone = one.text().decode()
    assert [line for line in text.splitlines() if line.startswith("#") and "_created" not in line] == [
        line for line in alone.splitlines() if line.startswith("#") and "_created" not in line
    ]


def test_the_folder_of_a_loaded_bundle_may_go(start: Start, tiny: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    server = start(copy, "--processes", 2)
    shutil.rmtree(copy)
    for _ in range(6):
        assert server.request("POST", "/predict", {"inputs": "good"})[0] == 200
