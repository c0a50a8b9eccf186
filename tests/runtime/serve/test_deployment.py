"""Where the server runs: variables of Kubernetes, names of models, sockets and ports that are taken, signals."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import uvicorn

from torchless.cli import main
from torchless.errors import InferenceError, InputError
from torchless.serve import settings
from torchless.serve.app import Application
from torchless.serve.listening import listen_tcp
from torchless.serve.reloads import Reloads
from torchless.serve.server import _Server
from torchless.serve.service import Service
from torchless.serve.settings import Settings

from .conftest import Server

Start = Callable[..., Server]
SERVICE = {
    "TORCHLESS_SERVICE_HOST": "10.43.7.9",
    "TORCHLESS_SERVICE_PORT": "8080",
    "TORCHLESS_SERVICE_PORT_HTTP": "8080",
    "TORCHLESS_PORT": "tcp://10.43.7.9:8080",
    "TORCHLESS_PORT_8080_TCP": "tcp://10.43.7.9:8080",
    "TORCHLESS_PORT_8080_TCP_PROTO": "tcp",
    "TORCHLESS_PORT_8080_TCP_PORT": "8080",
    "TORCHLESS_PORT_8080_TCP_ADDR": "10.43.7.9",
}


def test_the_variables_of_a_service_called_torchless_are_ignored_with_a_line(start: Start, tiny: Path) -> None:
    server = start(tiny, **SERVICE)
    (line,) = [event for event in server.events() if "Kubernetes" in event["event"]]
    assert line["event"].startswith("TORCHLESS_PORT is ignored")
    assert line["value"] == "tcp://10.43.7.9:8080"


def test_only_the_link_of_a_service_is_ignored() -> None:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    nothing, port = parser.parse_args([]), parser.parse_args(["--port", "7"])
    for link in ("tcp://10.43.7.9:8080", "tcp://[fd00::1]:80", "udp://10.43.7.9:53", "sctp://10.43.7.9:9"):
        assert settings.from_options(nothing, {"TORCHLESS_PORT": link}) == Settings()
        assert settings.from_options(port, {"TORCHLESS_PORT": link}).port == 7
    for wrong in ("http://10.43.7.9:8080", "10.43.7.9:8080", ""):
        with pytest.raises(InputError, match="TORCHLESS_PORT: expected a whole number"):
            settings.from_options(nothing, {"TORCHLESS_PORT": wrong})
    with pytest.raises(InputError, match="TORCHLESS_WORKERS: expected a whole number"):
        settings.from_options(nothing, {"TORCHLESS_WORKERS": "tcp://10.43.7.9:8080"})


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"port": 65536}, "port: expected at most 65535, got 65536"),
        ({"request_timeout_s": float("inf")}, "request_timeout_s: expected at most"),
        ({"request_timeout_s": float("nan")}, "request_timeout_s: expected a number of 0.001 or more"),
    ],
)
def test_numbers_that_no_clock_or_socket_takes_are_refused(values: dict[str, float], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Settings(**values)  # type: ignore[arg-type]


def complaint_of(*arguments: str) -> tuple[int, str]:
    """Exit code and stderr of a server that cannot start."""
    command = [sys.executable, "-m", "torchless", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("folder", "argument", "name"),
    [
        ("lr=3e-5", "lr=3e-5", "lr=3e-5"),
        ("runs/lr=3e-5/best", "runs/lr=3e-5/best", "best"),
        ("runs/lr=3e-5", "./runs/lr=3e-5", "lr=3e-5"),
        ("runs/lr=3e-5", "mine=runs/lr=3e-5", "mine"),
    ],
)
def test_a_folder_with_an_equals_sign_is_a_folder(
    start: Start, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, argument: str, name: str
) -> None:
    copytree(tiny, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    (model,) = start(argument).get("/info")["models"]
    assert model["name"] == name


def test_a_model_that_is_not_there_is_named_whole(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = complaint_of("./runs/lr=3e-5/best", "--port", "0")
    assert (code, "no bundle at runs/lr=3e-5/best" in said) == (1, True)
    for argument in ("=x", "x="):
        assert main(["serve", argument]) == 2
        assert f"expected NAME=MODEL, got '{argument}'" in capsys.readouterr().err


# Sockets and ports


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return connection.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_a_second_server_on_a_socket_is_refused_and_the_first_goes_on(start: Start, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    start(tiny, "--uds", path)
    code, said = complaint_of(str(tiny), "--uds", str(path))
    assert (code, said) == (1, f"torchless: cannot listen on {path}: another server answers there.\n")
    assert answers(path)


def test_the_socket_of_an_ended_server_is_replaced(start: Start, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = start(tiny, "--uds", path)
    path.chmod(0o600)
    first.process.kill()
    first.process.wait()
    assert path.is_socket()
    start(tiny, "--uds", path)
    assert answers(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_socket_stays(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    code, said = complaint_of(str(tiny), "--uds", str(path))
    assert (code, said) == (1, f"torchless: cannot listen on {path}: there is something that is no socket.\n")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("path", ["nowhere/socket", "a" * 120])
def test_a_path_that_can_hold_no_socket_is_an_error(tiny: Path, tmp_path: Path, path: str) -> None:
    code, said = complaint_of(str(tiny), "--uds", str(tmp_path / path))
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("torchless: cannot listen on ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_taken_is_an_error_like_others(tiny: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = complaint_of(str(tiny), "--host", host, "--port", str(port))
    assert (code, said) == (1, f"torchless: cannot listen on {host}:{port}: Address already in use.\n")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "1.2.3.4", "x" * 300])
def test_an_address_that_is_not_ours_is_an_error(tiny: Path, host: str) -> None:
    code, said = complaint_of(str(tiny), "--host", host, "--port", "0")
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(f"torchless: cannot listen on {host}:0: ")


def test_a_host_of_several_addresses_is_listened_on_at_one_port() -> None:
    sockets = listen_tcp("localhost", 0)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    for each in sockets:
        each.close()


@pytest.mark.parametrize("name", ["host", "uds", "api_key_file", "otlp_endpoint", "precision"])
def test_a_variable_that_was_left_empty_is_an_error(name: str) -> None:
    """An empty host would be every address of the machine, an empty socket a port."""
    with pytest.raises(InputError, match=f"{name}: expected something, got an empty text"):
        Settings(**{name: ""})  # type: ignore[arg-type]


# Signals


def test_the_end_of_a_load_after_sigterm_is_no_error(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load(_self: Service) -> None:
        begun.set()
        go_on.wait(10)

    async def stop_while_loading() -> _Server:
        service = Service({"tiny": tiny}, Settings(drain_s=0, max_drain_s=1))
        monkeypatch.setattr(Service, "load", load)
        server = _Server(uvicorn.Config(Application(service), lifespan="off", log_config=None), service)
        running = asyncio.ensure_future(server._serve([*listen_tcp("127.0.0.1", 0)]))
        await asyncio.to_thread(begun.wait, 10)
        server.should_exit = True
        await asyncio.sleep(0.5)
        go_on.set()
        await running
        await asyncio.sleep(0.1)
        service.close()
        return server

    assert asyncio.run(stop_while_loading()).problem is None


def test_sighup_before_the_server_is_there_does_not_end_it(tiny: Path) -> None:
    command = [sys.executable, "-c", HANGS_UP, "serve", str(tiny), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "imported\n"), done.stderr


HANGS_UP = """
import builtins, os, signal, sys
from torchless.cli import main
real = builtins.__import__
def importing(name, *rest, **more):
    if name == "torchless.serve.run":
        os.kill(os.getpid(), signal.SIGHUP)
        print("imported", flush=True)
        sys.exit(0)
    return real(name, *rest, **more)
builtins.__import__ = importing
sys.exit(main())
"""


def test_reloads_that_wait_share_one() -> None:
    begun: list[str | None] = []
    go_on = threading.Event()

    def work(name: str | None) -> int:
        begun.append(name)
        go_on.wait(10)
        if name == "panics":
            raise SystemExit
        return len(begun)

    async def ask() -> list[Any]:
        reloads = Reloads(work)
        first = asyncio.ensure_future(reloads.run(None))
        while not begun:
            await asyncio.sleep(0.001)
        others = [asyncio.ensure_future(reloads.run(name)) for name in [None] * 50 + ["panics"] * 50]
        await asyncio.sleep(0.01)
        assert sum(thread.name == "torchless-load" for thread in threading.enumerate()) <= 3
        others[0].cancel()  # one that leaves takes nothing from the rest
        go_on.set()
        return await asyncio.gather(first, *others[1:], return_exceptions=True)

    first, *others = asyncio.run(ask())
    assert (first, len(begun)) == (1, 3)
    assert {*map(type, others)} == {int, InferenceError}


def test_a_reload_that_lasts_does_not_change_the_exit_code(start: Start, mini: Path) -> None:
    server = start(mini, "--max-drain-s", "1")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    server.begin_to_stop()
    assert server.wait() == 0
    assert [event for event in server.events() if event["level"] != "info"] == []
