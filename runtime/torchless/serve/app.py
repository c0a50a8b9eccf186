"""The application: every operation of every dialect at its path, and what is answered at a path that there is not."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route, Router

from torchless.errors import TorchlessError

from .dialects import DIALECTS
from .dialects.torchless import TORCHLESS
from .endpoint import Endpoint
from .errors import MethodError, NotFoundError, status_of
from .openapi import document
from .operation import Dialect, Operation, Reply
from .service import Service


class Application(Router):
    """Starlette's router over all operations, without the middleware of its application: an `Endpoint` catches its own.

    Attributes:
        service: the models, the queue, the metrics.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        operations = [(dialect, operation) for dialect in DIALECTS for operation in dialect.operations]
        routes = [_Route(service, *each) for each in [*operations, (TORCHLESS, _OPENAPI)]]
        super().__init__(routes, redirect_slashes=False, default=_not_found)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self.service.forked:
            await self.service.begin_again()
        await super().__call__(scope, receive, send)


class _Route(Route):
    def __init__(self, service: Service, dialect: Dialect, operation: Operation) -> None:
        super().__init__(operation.path, Endpoint(service, dialect, operation), methods=[operation.method])
        self._dialect = dialect

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        if self.methods and scope["method"] not in self.methods:
            methods = ", ".join(sorted(self.methods))
            problem = MethodError(f"{scope['method']} is not for this path, which takes {methods}")
            await _refuse(self._dialect, problem, {"allow": methods})(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def _openapi(_call: object, _body: None) -> Reply:
    """The OpenAPI document."""
    return _document()


@cache
def _document() -> Reply:
    return Reply(document(DIALECTS))


_OPENAPI = Operation("GET", "/openapi.json", _openapi, "This document", None, dict, public=True, documented=False)


async def _not_found(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        await _refuse(dialect_of(path), NotFoundError("no such path; /docs lists them"))(scope, receive, send)


def dialect_of(path: str) -> Dialect:
    """The dialect whose paths share the most leading segments with this one; the server's own where none shares any."""
    closest = max(DIALECTS, key=lambda dialect: dialect.closeness(path))
    return closest if closest.closeness(path) else TORCHLESS


def _refuse(dialect: Dialect, problem: TorchlessError, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(dialect.error(problem))
    return Response(body, status_of(problem), headers, media_type="application/json")
