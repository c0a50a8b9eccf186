"""The application in uvicorn, from loading the first model to answering the last request: one process of a server."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from torchless.errors import InferenceError, InputError, TorchlessError

from . import awake, tracing
from .accepting import Acceptor
from .app import Application
from .channel import Channel
from .connection import protocol_for
from .daemon import in_daemon
from .handover import Handover
from .listening import BACKLOG, shown_address
from .logs import flush, log, log_error
from .long_work import each_minute
from .service import Service
from .settings import Settings
from .watch import HANGS

_LAST_REQUESTS_S = 0.2
_GRACE_S = 1.5  # beyond what was promised, before the process is ended; all of it is within the 2 s that docs allow


def serve_here(
    sources: dict[str, str],
    settings: Settings,
    listeners: list[socket.socket],
    channel: socket.socket | None = None,
    handover: Handover | None = None,
) -> None:
    """Serve in this process until SIGTERM or SIGINT, then finish the requests that have arrived.

    Args:
        sources: where each model comes from, by name.
        settings: how to serve.
        listeners: open sockets.
        channel: to the supervisor, where the server has several processes.
        handover: to and from the others.

    Raises:
        BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError: a model
            could not be loaded.
    """
    stop_tracing = tracing.configure(settings.otlp_endpoint) if settings.otlp_endpoint else None
    service = Service(sources, settings, handover.row if handover else None)
    service.owns_process = True
    config = uvicorn.Config(
        Application(service),
        loop="auto",  # uvloop where there is one, which is everywhere but on Windows
        http=protocol_for(settings, service.count_refusal, service.row),  # type: ignore[arg-type]  # a factory does
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
    if channel is not None and handover is not None:
        server = _OneOfSeveral(config, service, listeners, channel, handover)
    try:
        server.run(listeners if channel is None else [])
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
        if self._service.supervisor is None:  # else it is the supervisor that is sent SIGHUP
            with suppress(AttributeError):  # Windows has no SIGHUP
                self._loop.add_signal_handler(signal.SIGHUP, self._begin, self._reload)
        self._begin(self._load)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """First signal: report not ready, then stop listening, then finish requests. Second signal: stop now."""
        if not self._service.draining:
            log("draining", signal=signal.Signals(sig).name)
        self._drain()

    def _drain(self) -> None:
        if self._service.draining:
            self.force_exit = self.should_exit = True
            _end_in(_LAST_REQUESTS_S + _GRACE_S)
            return
        self._service.draining = True
        self._service.note()
        settings = self._service.settings
        _end_in(settings.drain_s + _LAST_REQUESTS_S + settings.max_drain_s + _GRACE_S)
        self._loop.call_soon_threadsafe(self._loop.call_later, self._service.settings.drain_s, self._stop_listening)

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's, ten times a second: a thread that hangs for long ends the process, for its supervisor."""
        awake.look()
        self._service.note()
        if not self.should_exit and self._service.hangs(HANGS):
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
            self._service.note()
            if not self.should_exit:  # its sockets may be closed
                await self._loaded()
        except Exception as error:
            await self._failed(error if isinstance(error, TorchlessError) else TorchlessError(_told(error)))

    async def _loaded(self) -> None:
        address, settings = shown_address(self.servers[0].sockets[0]), self._service.settings
        log("ready", address=address, workers=self._service.queue.workers, lone_threads=settings.lone_threads)

    async def _failed(self, error: TorchlessError) -> None:
        self.problem = error
        self.should_exit = True

    async def _reload(self) -> None:
        try:
            await self._service.reload_aside()
        except Exception as error:
            log_error("reload failed; the models that ran before go on", error=_told(error))


class _OneOfSeveral(_Server):
    """One process of a server: it shares its sockets, and the supervisor tells it what to do."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        listeners: list[socket.socket],
        channel: socket.socket,
        handover: Handover,
    ) -> None:
        super().__init__(config, service)
        self._listeners, self._handover = listeners, handover
        self._channel = service.supervisor = Channel(channel, self._answer)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._begin(self._follow)
        await super().startup(sockets)
        if not self._service.row.whole.opened:  # while all of them load, /health is answered
            self._accept()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """A signal may come from the supervisor's supervisor too, to all processes: the first counts."""
        if sig != signal.SIGINT and not self._service.draining:
            self._drain()

    def _accept(self) -> None:
        connections = self.server_state.connections

        def make() -> asyncio.Protocol:
            return self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        self.servers.append(Acceptor(self._listeners, make, lambda: len(connections), self._handover))  # type: ignore[arg-type]

    async def _follow(self) -> None:
        await self._channel.run()
        os._exit(1)  # the supervisor is gone

    async def _loaded(self) -> None:
        service = self._service
        if not await self._channel.ask("loaded", {model.name: model.digest for model in service.models.values()}):
            self.should_exit = True
        elif not self.servers:
            self._accept()

    async def _failed(self, error: TorchlessError) -> None:
        with suppress(TorchlessError):
            await self._channel.ask("unloadable", [str(error), "InputError" if isinstance(error, InputError) else ""])
        self.should_exit = True

    async def _answer(self, what: str, given: Any) -> Any:
        """What the supervisor asks."""
        if what == "counts":
            return self._service.metrics.counts()
        if what == "prepare":
            return await self._service.prepare(given)
        if what in ("swap", "forget"):
            return self._service.swap(keep=what == "swap")
        if what == "stop" or not self._service.draining:
            self._drain()
        return None


def _end_in(seconds: float) -> None:
    """End the process after that time, whatever its threads are doing then."""
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, TorchlessError) else f"{type(error).__name__}: {error}"
