"""`torchless serve`: the application in uvicorn, from loading the first model to answering the last request."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType

import uvicorn

from torchless.errors import InferenceError, TorchlessError

from . import tracing
from .app import Application
from .connection import protocol_for
from .daemon import in_daemon
from .listening import BACKLOG, listen_tcp, listen_unix
from .logs import flush, log, log_error, use_json
from .long_work import each_minute
from .service import Service
from .settings import Settings, is_service_link, variable

_LAST_REQUESTS_S = 0.2
_HANGS = 3  # times as long as a request may take, after which a hanging thread ends the process
_GRACE_S = 2.0  # beyond what was promised, before the process is ended
_OTHER_FILES = 256  # beside connections


def serve(sources: dict[str, str], settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests that have arrived.

    The port is open while models are loading: /health answers 200, /ready 503.

    Raises:
        BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError: a model
            could not be loaded.
        ListenError: the address cannot be listened on.
    """
    # Texts come a few at a time, and the tokenizer's own threads would take CPUs from the model's.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    use_json(settings.log_level)
    _allow_files(settings.max_connections + _OTHER_FILES)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its info lines repeat ours
    if is_service_link("port", os.environ):
        address = os.environ[variable("port")]
        log("TORCHLESS_PORT is ignored: Kubernetes sets it for a Service called torchless", value=address)
    stop_tracing = tracing.configure(settings.otlp_endpoint) if settings.otlp_endpoint else None
    service = Service(sources, settings)
    service.owns_process = True
    config = uvicorn.Config(
        Application(service),
        loop="auto",  # uvloop where there is one, which is everywhere but on Windows
        http=protocol_for(settings, service.count_refusal),  # type: ignore[arg-type]  # a factory does
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type]  # call_later takes fractions
        timeout_graceful_shutdown=settings.max_drain_s,  # type: ignore[arg-type]
        backlog=BACKLOG,
    )
    server = _Server(config, service)
    try:
        server.run([listen_unix(settings.uds)] if settings.uds else listen_tcp(settings.host, settings.port))
    finally:
        service.close()
        if stop_tracing:
            stop_tracing()
        flush()
        if not service.ended(_LAST_REQUESTS_S):
            atexit.register(os._exit, 1 if server.problem else 0)
    if server.problem:
        raise server.problem


class _Server(uvicorn.Server):
    """uvicorn's server; loads models in the background, reloads on SIGHUP and drains before it stops listening."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.problem: TorchlessError | None = None
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        with suppress(AttributeError):  # Windows has no SIGHUP
            self._loop.add_signal_handler(signal.SIGHUP, self._begin, self._reload)
        self._begin(self._load)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """First signal: report not ready, then stop listening, then finish requests. Second signal: stop now."""
        if self._service.draining:
            self.force_exit = self.should_exit = True
            _end_in(_LAST_REQUESTS_S + _GRACE_S)
            return
        self._service.draining = True
        settings = self._service.settings
        _end_in(settings.drain_s + _LAST_REQUESTS_S + settings.max_drain_s + _GRACE_S)
        log("draining", signal=signal.Signals(sig).name)
        self._loop.call_soon_threadsafe(self._loop.call_later, self._service.settings.drain_s, self._stop_listening)

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's, ten times a second: a thread that hangs for long ends the process, for its supervisor."""
        if not self.should_exit and self._service.hangs(_HANGS):
            self.problem = InferenceError("a thread hangs in a library; the process ends, so that it can be replaced")
            self.should_exit = True
            _end_in(_GRACE_S)
        return await super().on_tick(counter)

    def _stop_listening(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, wait briefly for requests on connections just accepted, then close idle connections."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(0 if self.force_exit else _LAST_REQUESTS_S)
        await super().shutdown(sockets)

    def _begin(self, work: object) -> None:
        task = asyncio.ensure_future(work())  # type: ignore[operator]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self) -> None:
        try:
            async with each_minute("models are still loading"):
                await in_daemon(self._service.load)
            if not self.should_exit:  # its sockets may be closed
                log("ready", address=self._address(), workers=self._service.queue.workers)
        except Exception as error:
            self.problem = error if isinstance(error, TorchlessError) else TorchlessError(_told(error))
            self.should_exit = True

    async def _reload(self) -> None:
        try:
            await self._service.reload_aside()
        except Exception as error:
            log_error("reload failed; the models that ran before go on", error=_told(error))

    def _address(self) -> str:
        name = self.servers[0].sockets[0].getsockname()
        if isinstance(name, str):
            return name
        return f"http://[{name[0]}]:{name[1]}" if ":" in name[0] else f"http://{name[0]}:{name[1]}"


def _allow_files(wanted: int) -> None:
    """Let the process open as many files as the system lets it; the usual soft limit is 1024."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


def _end_in(seconds: float) -> None:
    """End the process after that time, whatever its threads are doing then."""
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, TorchlessError) else f"{type(error).__name__}: {error}"
