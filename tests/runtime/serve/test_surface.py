"""Errors and their statuses, the extra, tracing, and settings as flags and variables."""

from __future__ import annotations

import argparse
import http.server
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from torchless.errors import InferenceError, InputError, TorchlessError
from torchless.serve import errors, settings
from torchless.serve.settings import Settings

from .conftest import Server


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


def test_every_error_has_a_status_and_every_refusal_is_drawn() -> None:
    for kind in subclasses(TorchlessError):
        assert errors.status_of(kind.__new__(kind)) in {400, 401, 404, 405, 409, 413, 415, 422, 429, 499, 500, 503}
    drawn = errors.__doc__ or ""
    for kind in subclasses(errors.RequestError):
        assert kind.__name__ in drawn
        assert kind.__doc__
    assert errors.status_of(InputError()) == 422
    assert errors.status_of(InferenceError()) == 500


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "msgspec", "prometheus_client"])
def test_a_missing_extra_says_what_to_install(tiny: Path, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from torchless.cli import main; "
    command = [sys.executable, "-c", code + f"sys.exit(main(['serve', {str(tiny)!r}]))"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    advice = "pip install 'torchless[serve]' (from a clone: pip install '.[serve]')"
    assert done.stderr == f"torchless: torchless serve needs {package}: {advice}\n"


def test_every_setting_is_a_flag_and_a_variable() -> None:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    none = parser.parse_args([])
    assert settings.from_options(none, {}) == Settings()
    for each in fields(Settings):
        assert f"--{each.name.replace('_', '-')}" in parser.format_help()
    values = {"TORCHLESS_PORT": "9", "TORCHLESS_ACCESS_LOG": "off", "TORCHLESS_DRAIN_S": "2.5", "TORCHLESS_UDS": "/x"}
    found = settings.from_options(none, values)
    assert (found.port, found.access_log, found.drain_s, found.uds) == (9, False, 2.5, "/x")
    flags = parser.parse_args(["--port", "7", "--access-log"])
    found = settings.from_options(flags, values)
    assert (found.port, found.access_log) == (7, True)
    with pytest.raises(InputError, match="TORCHLESS_ACCESS_LOG: expected true or false, got 'maybe'"):
        settings.from_options(none, {"TORCHLESS_ACCESS_LOG": "maybe"})


def test_spans_go_to_a_collector_as_children_of_the_client_s(start: Callable[..., Server], tiny: Path) -> None:
    received: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        server = start(tiny, "--otlp-endpoint", f"http://127.0.0.1:{collector.server_port}/v1/traces")
        trace = "0af7651916cd43dd8448eb211c80319c"
        server.request("POST", "/predict", {"inputs": "a secret"}, {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        assert server.stop() == 0  # the last spans are sent before it ends
        collector.shutdown()
    sent = b"".join(received)
    assert b"POST /predict" in sent
    assert bytes.fromhex(trace) in sent
    assert b"torchless.inference_ms" in sent
    assert b"secret" not in sent
