"""What belongs to the server itself: health, metrics, reloading, the page and its documents. Errors as TEI's."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from torchless import __version__
from torchless.errors import TorchlessError
from torchless.serve.call import Call
from torchless.serve.errors import NotFoundError, ReloadError, RequestError
from torchless.serve.logs import log_error
from torchless.serve.metrics import CONTENT_TYPE
from torchless.serve.operation import Dialect, Operation, Reply

from .tei import Error, error

_PAGES = Path(__file__).parent.parent / "page"


class Health(msgspec.Struct):
    """The state of the process."""

    status: Literal["alive", "ready", "loading", "draining"]


class Status(msgspec.Struct):
    """What goes on right now."""

    ready: bool
    queued_requests: int
    queued_tokens: int
    max_queue_tokens: int
    tokens_per_s: float
    answered_texts: int
    workers: int
    version: str


class ReloadRequest(msgspec.Struct):
    """Which model to load again; all of them if none is named."""

    model: str | None = None


class Reloaded(msgspec.Struct):
    """A model that was swapped in."""

    name: str
    sha256: str


async def health(_call: Call, _body: None) -> Health:
    """The process answers."""
    return Health("alive")


async def ready(call: Call, _body: None) -> Reply:
    """Every model is verified and warm, and the server is not about to end."""
    service = call.service
    state = Health("ready" if service.ready else "draining" if service.draining else "loading")
    return Reply(msgspec.json.encode(state), status=200 if service.ready else 503)


async def status(call: Call, _body: None) -> Status:
    """Queue and throughput."""
    service, batcher = call.service, call.service.batcher
    return Status(
        ready=service.ready,
        queued_requests=batcher.queued_requests,
        queued_tokens=batcher.queued_tokens,
        max_queue_tokens=service.settings.max_queue_tokens,
        tokens_per_s=round(batcher.tokens_per_s, 1),
        answered_texts=service.metrics.answered_texts,
        workers=batcher.workers,
        version=__version__,
    )


async def metrics(call: Call, _body: None) -> Reply:
    """All metrics, as Prometheus reads them."""
    return Reply(call.service.metrics.text(), CONTENT_TYPE)


async def reload(call: Call, body: ReloadRequest) -> list[Reloaded]:
    """Load bundles again and swap them in once they are verified."""
    if call.service.settings.api_key is None:
        raise NotFoundError("/admin/reload is there only when the server has an API key")
    try:
        engines = await call.service.reload_aside(body.model)
    except RequestError:
        raise
    except TorchlessError as problem:
        log_error("reload failed; the models that ran before go on", error=str(problem))
        raise ReloadError(problem) from problem
    return [Reloaded(engine.name, engine.digest) for engine in engines]


async def page(_call: Call, _body: None) -> Reply:
    """The page for people."""
    return _page("index.html")


async def docs(_call: Call, _body: None) -> Reply:
    """The OpenAPI document for people, with nothing from elsewhere."""
    return _page("docs.html")


async def openapi(_call: Call, _body: None) -> Reply:
    """The OpenAPI document."""
    from torchless.serve.openapi import document  # it reads the dialects, of which this is one

    return Reply(document())


@cache
def _page(name: str) -> Reply:
    """A page that holds all that it needs: it may run its own script and talk to this server, and nothing else."""
    html = (_PAGES / name).read_bytes()
    policy = (
        f"default-src 'none'; script-src {_hash(html, 'script')}; style-src {_hash(html, 'style')}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"content-security-policy": policy, "referrer-policy": "no-referrer", "cache-control": "no-cache"}
    return Reply(html, "text/html; charset=utf-8", headers=headers)


def _hash(html: bytes, element: str) -> str:
    """What a content security policy calls the one element of that kind."""
    content = html.partition(f"<{element}>".encode())[2].partition(f"</{element}>".encode())[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"


TORCHLESS = Dialect(
    "torchless",
    "The server itself.",
    (
        Operation("GET", "/health", health, "Alive", None, Health, public=True),
        Operation("GET", "/ready", ready, "Warm", None, Health, public=True),
        Operation("GET", "/status", status, "Queue and throughput", None, Status),
        Operation("GET", "/metrics", metrics, "Prometheus metrics", None, str),
        Operation("POST", "/admin/reload", reload, "Load bundles again", ReloadRequest, list[Reloaded]),
        Operation("GET", "/openapi.json", openapi, "This document", None, dict, public=True, documented=False),
        Operation("GET", "/", page, "The page for people", None, str, public=True, documented=False),
        Operation("GET", "/docs", docs, "The documentation for people", None, str, public=True, documented=False),
    ),
    error,
    Error,
)
