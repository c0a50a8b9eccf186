"""What all requests share: the models by name, the queue, the metrics, and whether the server is ready."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torchless import __version__
from torchless.errors import InputError
from torchless.running.threads import available_threads

from .batcher import Batcher
from .engine import Engine
from .errors import NotFoundError, NotReadyError, OverloadedError
from .logs import log
from .metrics import Metrics
from .settings import Settings

_MOST_ASIDE = 32


class Service:
    """Bundles on their way to being served, and then served.

    Attributes:
        models: engines by name, in the order given; the first answers where a request names none.
        draining: the server is about to end and takes no new work for granted.
    """

    def __init__(self, folders: Mapping[str, str | os.PathLike[str]], settings: Settings) -> None:
        """Start the threads; `load` brings the models.

        Raises:
            InputError: there are no models.
        """
        if not folders:
            raise InputError("models: expected one bundle or more, got none.")
        self.settings = settings
        self.folders = dict(folders)
        self.models: dict[str, Engine] = {}
        self.draining = False
        self.metrics = Metrics()
        workers = settings.workers or _workers(settings)
        self.batcher = Batcher(settings, workers, self.metrics)
        self._loading = threading.Lock()
        self._aside = 0
        self.metrics.gauges(self._gauges)
        self.metrics.info("torchless_model_info", "Models and what they are.", self._model_info)

    @property
    def ready(self) -> bool:
        """Every model is loaded, verified and warm, and the server is not about to end."""
        return len(self.models) == len(self.folders) and not self.draining

    def load(self) -> None:
        """Load every model; nothing is served until all are there. Blocks.

        Raises:
            BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError.
        """
        with self._loading:
            engines = {name: Engine(name, folder, self.settings) for name, folder in self.folders.items()}
            self.models = engines
        for engine in engines.values():
            log("model loaded", **describe(engine))

    def reload(self, name: str | None = None) -> list[Engine]:
        """Load a model again (all for None) from its folder, and swap it in once it is verified and warm. Blocks.

        Requests that are on their way keep the engine they began with. When a bundle cannot be used, the engines
        that ran before stay, all of them.

        Raises:
            NotFoundError: no model has that name.
            BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError.
        """
        if name is not None and name not in self.folders:
            raise self._unknown(name)
        with self._loading:
            names = [name] if name is not None else list(self.folders)
            fresh = {each: Engine(each, self.folders[each], self.settings) for each in names}
            self.models = {**self.models, **fresh}
        for engine in fresh.values():
            log("model reloaded", **describe(engine))
        return list(fresh.values())

    async def reload_aside(self, name: str | None = None) -> list[Engine]:
        """`reload` in a thread of its own, so that requests go on being answered."""
        return await asyncio.to_thread(self.reload, name)

    async def aside(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run what does not need the model in a thread of its own; only so many at a time.

        Raises:
            OverloadedError: too many are under way.
        """
        if self._aside >= _MOST_ASIDE:
            raise OverloadedError(f"{self._aside} requests of this kind are under way; try again in 1 s", 1)
        self._aside += 1
        try:
            return await asyncio.to_thread(function, *arguments)
        finally:
            self._aside -= 1

    def engine(self, name: str | None = None) -> Engine:
        """The model of that name; the first for None.

        Raises:
            NotFoundError: no model has that name.
            NotReadyError: models are still being loaded.
        """
        if name is not None and name not in self.folders:
            raise self._unknown(name)
        if not self.models:
            raise NotReadyError("models are being loaded")
        return self.models[name] if name is not None else next(iter(self.models.values()))

    def close(self) -> None:
        """Stop the threads."""
        self.batcher.close()

    def _unknown(self, name: str) -> NotFoundError:
        return NotFoundError(f"no model {name!r} here; there are {', '.join(self.folders)}")

    def _gauges(self) -> Iterable[tuple[str, str, float]]:
        yield "te_queue_size", "Requests that wait.", self.batcher.queued_requests
        yield "torchless_queue_tokens", "Tokens that wait.", self.batcher.queued_tokens
        yield "torchless_queue_limit_tokens", "Tokens that may wait.", self.settings.max_queue_tokens
        yield "torchless_tokens_per_second", "Tokens that the workers can do.", self.batcher.tokens_per_s
        yield "torchless_ready", "1 when every model is warm and the server is not ending.", float(self.ready)

    def _model_info(self) -> Iterable[dict[str, str]]:
        for engine in self.models.values():
            yield {**describe(engine), "version": __version__}


def describe(engine: Engine) -> dict[str, str]:
    """What a log line and a metric say of a model."""
    return {"model": engine.name, "precision": engine.precision, "sha256": engine.digest}


def _workers(settings: Settings) -> int:
    if settings.device != "cpu":
        return 2  # one has the GPU, the other tokenises
    return max(1, available_threads() // settings.threads)
