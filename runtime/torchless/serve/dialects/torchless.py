"""The server itself: health, metrics, reloading, and the page with its documentation. Errors are in TEI's form."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from torchless import __version__
from torchless.bundle.manifest import GraphKind
from torchless.serve.call import Call
from torchless.serve.errors import NotFoundError, NotReadyError, ReloadError, RequestError, kind_of
from torchless.serve.logs import log_error
from torchless.serve.metrics import CONTENT_TYPE
from torchless.serve.operation import Dialect, Operation, Reply
from torchless.serve.whole import Cell

from .rank import RANK
from .tagging import TAG
from .tei import Error, error
from .zero_shot import ZERO_SHOT

_PAGES = Path(__file__).parent.parent / "page"


class Health(msgspec.Struct):
    """The state of the process."""

    status: Literal["alive", "ready", "loading", "draining", "hangs"]


class Status(msgspec.Struct):
    """The queue and the throughput at this moment, and what each model is."""

    ready: bool
    queued_requests: int
    queued_tokens: int
    max_queue_tokens: int
    tokens_per_s: float
    answered_texts: int
    workers: int
    version: str
    kinds: dict[str, GraphKind]
    processes: int


class ReloadRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which model to load again; every model if none is named."""

    model: str | None = None


class Reloaded(msgspec.Struct):
    """A model that was swapped in."""

    name: str
    sha256: str


async def health(_call: Call, _body: None) -> Health:
    """The process answers."""
    return Health("alive")


async def ready(call: Call, _body: None) -> Reply:
    """Every model is verified and warm, no thread hangs, and the server is not shutting down."""
    service = call.service
    if service.ready:
        return Reply(msgspec.json.encode(Health("ready")))
    state = Health(service.state)
    return Reply(msgspec.json.encode(state), status=503)


async def status(call: Call, _body: None) -> Status:
    """The queue and the throughput."""
    service, queue = call.service, call.service.queue
    return Status(
        ready=service.ready,
        queued_requests=queue.queued_requests,
        queued_tokens=queue.queued_tokens,
        max_queue_tokens=service.settings.max_queue_tokens,
        tokens_per_s=round(queue.tokens_per_s, 1),
        answered_texts=service.row.whole.answered_texts,
        workers=int(service.row.total(Cell.WORKERS)),
        processes=service.row.whole.processes,
        version=__version__,
        kinds={model.name: model.manifest.kind for model in service.models.values()},
    )


async def metrics(call: Call, _body: None) -> Reply:
    """All metrics, as Prometheus reads them."""
    return Reply(call.service.metrics.text(await call.service.counts_of_others()), CONTENT_TYPE)


async def reload(call: Call, body: ReloadRequest) -> list[Reloaded]:
    """Load bundles again and swap them in once they are verified."""
    if call.service.settings.api_key is None:
        raise NotFoundError("/admin/reload exists only on a server with an API key")
    try:
        digests = await call.service.reload_aside(body.model)
    except RequestError:
        raise
    except Exception as problem:
        log_error("reload failed; the models that ran before go on", error=f"{kind_of(problem)}: {problem}")
        if kind_of(problem) == NotReadyError.__name__:  # a process of several hangs, and nothing is wrong with a bundle
            raise NotReadyError(str(problem)) from problem
        raise ReloadError(problem) from problem
    return [Reloaded(*each) for each in digests.items()]


async def page(_call: Call, _body: None) -> Reply:
    """The page to try the models on."""
    return _page("index.html")


async def docs(_call: Call, _body: None) -> Reply:
    """The OpenAPI document as a page; it loads nothing from elsewhere."""
    return _page("docs.html")


@cache
def _page(name: str) -> Reply:
    """A page whose security policy allows its own script and style and this server, and nothing else."""
    html = (_PAGES / name).read_bytes()
    policy = (
        f"default-src 'none'; script-src {_hash(html, 'script')}; style-src {_hash(html, 'style')}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"content-security-policy": policy, "referrer-policy": "no-referrer", "cache-control": "no-cache"}
    return Reply(html, "text/html; charset=utf-8", headers=headers)


def _hash(html: bytes, element: str) -> str:
    """The hash by which a content security policy names the one element of that kind."""
    content = html.partition(f"<{element}>".encode())[2].partition(f"</{element}>".encode())[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"


TORCHLESS = Dialect(
    "torchless",
    "The server itself, ranking, labels of your own, and the labelled parts of texts.",
    (
        RANK,
        TAG,
        ZERO_SHOT,
        Operation("GET", "/health", health, "Alive", None, Health, public=True),
        Operation("GET", "/ready", ready, "Ready", None, Health, readiness=True, public=True),
        Operation("GET", "/status", status, "Queue and throughput", None, Status),
        Operation("GET", "/metrics", metrics, "Prometheus metrics", None, str),
        Operation(
            "POST",
            "/admin/reload",
            reload,
            "Load bundles again",
            ReloadRequest,
            list[Reloaded],
            refusals={409: "The bundle cannot be used; the model that ran before stays."},
        ),
        Operation("GET", "/", page, "The page", None, str, public=True, documented=False),
        Operation("GET", "/docs", docs, "The documentation", None, str, public=True, documented=False),
    ),
    error,
    Error,
)
