"""What all requests share: the models by name, the queue, the metrics, and whether the server is ready."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal

from torchless import __version__
from torchless.errors import InputError

from .aside import Aside
from .byte_budget import ByteBudget
from .channel import Channel, PeerError
from .daemon import in_daemon
from .errors import NotFoundError, NotReadyError
from .logs import dropped_lines, log, log_error
from .metrics import Counts, Metrics
from .reloads import Prepared, Reloads
from .request_queue import RequestQueue
from .served_model import ServedModel, describe
from .settings import Settings
from .sizing import worker_count
from .watch import hang_s
from .whole import Cell, Row, State, Whole
from .workers import Workers

_IN_LIBRARIES = ("torchless-load", "torchless-worker", "torchless-tokeniser")  # threads that call libraries


class Service:
    """The models that are served, and what serves them.

    Attributes:
        sources: where each model comes from, by name: a folder, an installed package or a Hub id.
        models: the loaded models by name, in the order of `sources`; empty until all are loaded. The first answers
            where a request names none.
        forked: this process is a copy of the one that made the service, and has none of its threads.
        draining: the server is shutting down; it still answers, but reports that it is not ready.
        owns_process: nothing else runs in this process, whose garbage collector may then be set.
        row: the numbers that this process notes for all processes of the server.
        supervisor: leads to the other processes; None where there are none.
        queue: the requests that wait.
        metrics: what is counted.
        aside: the event loop for large requests.
        bytes: what large bodies and answers may take together.
    """

    def __init__(
        self, sources: Mapping[str, str | os.PathLike[str]], settings: Settings, row: Row | None = None
    ) -> None:
        """Start the threads; `load` loads the models.

        Args:
            sources: as the attribute.
            settings: limits and threads.
            row: of this process, where the server has several; None where it is one.

        Raises:
            InputError: there are no models.
        """
        if not sources:
            raise InputError("models: expected one bundle or more, got none.")
        self.settings = settings
        self.sources = dict(sources)
        self.models: dict[str, ServedModel] = {}
        self.draining = False
        self.owns_process = False
        self.metrics = Metrics()
        self.forked = False
        self.row = row or Whole().row()
        self.supervisor: Channel | None = None
        self._prepared = Prepared[dict[str, ServedModel]]()
        self._beginning: asyncio.Future[None] | None = None
        self._begin()
        self.metrics.gauges(self._gauges)
        self.metrics.info("torchless_model_info", "The models that are served; always 1.", self._model_info)

    def _begin(self) -> None:
        """Make what threads share, and start them."""
        settings = self.settings
        self.queue = RequestQueue(settings, worker_count(settings, self.row.whole.processes), self.row)
        self._watch = Workers(self.queue, self.metrics).watch
        self._loading = threading.Lock()
        self._reloads = Reloads(self.reload)
        self.aside = Aside()
        self.bytes = ByteBudget(settings.max_held_bytes, self.row)

    def expect_forks(self) -> None:
        """Begin again in a process that is forked from this one, which has the models but none of the threads."""
        this = weakref.ref(self)

        def note() -> None:
            if (service := this()) is not None:
                service.forked = True

        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=note)

    async def begin_again(self) -> None:
        """Start threads of our own in a forked process; it need not be one that serves, so the first request does."""
        if self._beginning is None:
            self._beginning = asyncio.ensure_future(self._begin_forked())
        await asyncio.shield(self._beginning)

    async def _begin_forked(self) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads too are gone
        self.row = Whole().row()  # that of the process that it is forked from is shared
        self._begin()
        threads = max(self.settings.threads, self.settings.lone_threads or 1)
        if threads > 1 or self.settings.device != "cpu":  # a session's threads, or its GPU
            # Kept for ever: a session that is freed waits for the end of threads that this process does not have.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.models))
            self.models = {}
            try:
                await in_daemon(self.load)
            except Exception as error:
                log_error("a forked process could not load the models, and is not ready", error=str(error))
        self._beginning, self.forked = None, False

    @property
    def ready(self) -> bool:
        """Every model is loaded, verified and warm, no thread hangs, and no process is shutting down."""
        self.note()
        return self._state() == State.READY and self.row.whole.ready

    @property
    def state(self) -> Literal["draining", "hangs", "loading"]:
        """Why the server is not ready."""
        states = self.row.whole.column(Cell.STATE)
        if State.DRAINING in states:
            return "draining"
        return "hangs" if State.HANGS in states or self.row.whole.silent else "loading"

    def _state(self) -> State:
        if self.draining:
            return State.DRAINING
        if self.hangs():
            return State.HANGS
        return State.READY if len(self.models) == len(self.sources) else State.LOADING

    def note(self) -> None:
        """Write what other processes want to know."""
        row = self.row
        row.set(Cell.STATE, self._state())
        row.set(Cell.BEAT_S, time.monotonic())
        row.set(Cell.QUEUED_REQUESTS, self.queue.queued_requests_here)
        row.set(Cell.ANSWERED_TEXTS, self.metrics.answered_texts)
        row.set(Cell.DROPPED_LINES, dropped_lines())
        row.set(Cell.WORKERS, self.queue.workers)

    def hangs(self, times: int = 1) -> bool:
        """Whether a thread has been at one piece of work for so many times as long as a request may take."""
        return max(self._watch.longest_s(), self.aside.behind_s()) > times * hang_s(self.settings)

    def load(self) -> None:
        """Load every model; none is served until all are loaded. Blocks.

        Raises:
            BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError.
        """
        with self._loading:
            self.models = models = self._fresh(None)
            self._tidy()
        for model in models.values():
            log("model loaded", **describe(model))

    def reload(self, name: str | None = None) -> list[ServedModel]:
        """Load a model (None: every model) again from its source, and swap it in once it is verified and warm. Blocks.

        Requests that are being answered keep the model they began with. If a bundle cannot be used, all models stay
        as they were.

        Raises:
            NotFoundError: no model has that name.
            BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError.
        """
        if name is not None and name not in self.sources:
            raise self._unknown(name)
        with self._loading:
            return self._swap(self._fresh(name))

    def _fresh(self, name: str | None) -> dict[str, ServedModel]:
        names = [name] if name is not None else list(self.sources)
        return {each: ServedModel(each, self.sources[each], self.settings) for each in names}

    def _swap(self, fresh: dict[str, ServedModel]) -> list[ServedModel]:
        self.models = {**self.models, **fresh}
        self._tidy()
        for model in fresh.values():
            log("model reloaded", **describe(model))
        return list(fresh.values())

    async def reload_aside(self, name: str | None = None) -> dict[str, str]:
        """`reload` in a thread of its own, shared by all callers that wait, and in all processes.

        Returns:
            sha256 of each model that was swapped in, by name.
        """
        if name is not None and name not in self.sources:
            raise self._unknown(name)
        if self.supervisor is not None:
            digests: dict[str, str] = await self.supervisor.ask("reload", name)
            return digests
        return {model.name: model.digest for model in await self._reloads.run(name)}

    # What the supervisor asks.

    async def prepare(self, name: str | None) -> dict[str, str]:
        """The first half of a reload: load, and keep beside what runs. Returns sha256 by name."""
        fresh = await self._prepared.make(partial(self._fresh, name))
        return {model.name: model.digest for model in fresh.values()}

    def swap(self, *, keep: bool) -> None:
        """The second half: let what was prepared run, or drop it."""
        prepared = self._prepared.take()
        if keep and prepared is not None:
            self._swap(prepared)

    async def counts_of_others(self) -> Counts | None:
        """What the other processes have counted; None if there are none, or the supervisor is gone."""
        if self.supervisor is None:
            return None
        try:
            found: Counts = await self.supervisor.ask("counts", self.metrics.counts())
        except PeerError:
            return None
        return found

    def _tidy(self) -> None:
        """Take what stays out of the garbage collector's sight: a full collection would stop all threads for 30 ms."""
        if self.owns_process:
            gc.unfreeze()  # a model that was replaced can go
            gc.collect()
            gc.freeze()

    def model(self, name: str | None = None) -> ServedModel:
        """The model of that name; the first for None.

        Raises:
            NotFoundError: no model has that name.
            NotReadyError: models are still being loaded.
        """
        if name is not None and name not in self.sources:
            raise self._unknown(name)
        if not self.models:
            raise NotReadyError("models are being loaded")
        return self.models[name] if name is not None else next(iter(self.models.values()))

    def count_refusal(self, status: int) -> None:
        """Count and log what never became a request: it was no HTTP, too large, or did not arrive in time."""
        self.metrics.request("unknown", status)
        if self.settings.access_log:
            log("request", route="unknown", status=status)

    def close(self) -> None:
        """Stop the threads; requests that wait are refused."""
        self.queue.close()
        self.aside.close()

    def ended(self, seconds: float) -> bool:
        """Whether all threads that were started here end within this time. After `close`.

        A thread that is in a library when Python exits is torn out of it, and the library aborts the process.
        """
        end = time.monotonic() + seconds
        threads = [each for each in threading.enumerate() if each.name.startswith(_IN_LIBRARIES)]
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _unknown(self, name: str) -> NotFoundError:
        return NotFoundError(f"no model {name!r} here; there are {', '.join(self.sources)}")

    def _gauges(self) -> Iterable[tuple[str, str, float]]:
        yield "te_queue_size", "Requests that wait for a worker.", self.queue.queued_requests
        yield "torchless_queue_tokens", "Tokens that wait for a worker.", self.queue.queued_tokens
        yield "torchless_queue_limit_tokens", "Tokens that may wait.", self.settings.max_queue_tokens
        yield "torchless_held_bytes", "Bytes of large bodies and answers that are held.", self.bytes.total
        yield "torchless_tokens_per_second", "Tokens per second of all workers together.", self.queue.tokens_per_s
        lines = dropped_lines() + self.row.others(Cell.DROPPED_LINES)
        yield "torchless_dropped_log_lines", "Log lines that stderr did not take.", lines
        yield "torchless_processes", "Processes of the server.", self.row.whole.processes
        yield "torchless_replaced_processes", "Processes that ended and were replaced.", self.row.whole.replaced
        yield "torchless_ready", "1 when every model is warm and the server is not shutting down.", float(self.ready)

    def _model_info(self) -> Iterable[dict[str, str]]:
        for model in self.models.values():
            yield {**describe(model), "version": __version__}
