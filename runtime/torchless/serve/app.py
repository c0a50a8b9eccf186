"""The application: every operation of every dialect at its path."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route, Router

from torchless.errors import TorchlessError

from .dialects import DIALECTS
from .dialects.tei import error as tei_error
from .endpoint import Endpoint
from .errors import MethodError, NotFoundError, status_of
from .service import Service


class Application(Router):
    """Starlette's router over all operations, without the middleware of its application: an `Endpoint` catches its own.

    Attributes:
        service: the models, the queue, the metrics.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        routes = [
            _Route(operation.path, Endpoint(service, dialect, operation), methods=[operation.method])
            for dialect in DIALECTS
            for operation in dialect.operations
        ]
        super().__init__(routes, redirect_slashes=False, default=_not_found)


class _Route(Route):
    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        if self.methods and scope["method"] not in self.methods:
            methods = ", ".join(sorted(self.methods))
            problem = MethodError(f"{scope['method']} is not for this path, which takes {methods}")
            await _refuse(problem, {"allow": methods})(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def _not_found(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        await _refuse(NotFoundError("no such path; /docs lists them"))(scope, receive, send)


def _refuse(problem: TorchlessError, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(tei_error(problem))
    return Response(body, status_of(problem), headers, media_type="application/json")
