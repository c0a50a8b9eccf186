"""The application: every operation of every dialect at its path, and what is answered at a path that there is not."""

from __future__ import annotations

from functools import cache
from typing import Any

from starlette.routing import Route, Router

from .dialects import DIALECTS
from .dialects.torchless import TORCHLESS
from .endpoint import Endpoint
from .errors import MethodError, NotFoundError
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
        operations.append((TORCHLESS, _OPENAPI))
        methods: dict[str, set[str]] = {}
        for _, operation in operations:
            methods.setdefault(operation.path, set()).update(_methods(operation))
        routes = [_Route(service, *each, allowed=sorted(methods[each[1].path])) for each in operations]
        self._unknown = {dialect.name: Endpoint(service, dialect, _UNKNOWN) for dialect in DIALECTS}
        super().__init__(routes, redirect_slashes=False, default=self._refuse)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self.service.forked:
            await self.service.begin_again()
        if scope.get("path_params"):  # of the path that it is mounted at: they name no model here
            scope = {**scope, "path_params": {}}
        await super().__call__(scope, receive, send)

    async def _refuse(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        dialect = dialect_of(scope["path"].removeprefix(scope.get("root_path", "")))
        await self._unknown[dialect.name]({"path_params": {}, **scope}, receive, send)


class _Route(Route):
    def __init__(self, service: Service, dialect: Dialect, operation: Operation, allowed: list[str]) -> None:
        super().__init__(operation.path, Endpoint(service, dialect, operation), methods=[operation.method])
        methods = ", ".join(allowed)

        async def refuse(_call: object, _body: None) -> Reply:
            raise MethodError(f"this path takes {methods}", allowed)

        refusal = Operation("", operation.path, refuse, "Another method", public=True, logged=True)
        self._refusal = Endpoint(service, dialect, refusal)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        known = self.methods is not None and scope["method"] in self.methods
        await (self.app if known else self._refusal)(scope, receive, send)


def _methods(operation: Operation) -> set[str]:
    return {"GET", "HEAD"} if operation.method == "GET" else {operation.method}


async def _refuse_path(_call: object, _body: None) -> Reply:
    raise NotFoundError("no such path; /docs lists them")


_UNKNOWN = Operation("", "unknown", _refuse_path, "No such path", public=True, logged=True)


async def _openapi(_call: object, _body: None) -> Reply:
    """The OpenAPI document."""
    return _document()


@cache
def _document() -> Reply:
    return Reply(document(DIALECTS))


_OPENAPI = Operation("GET", "/openapi.json", _openapi, "This document", None, dict, public=True, documented=False)


def dialect_of(path: str) -> Dialect:
    """The dialect whose paths share the most leading segments with this one; the server's own where none shares any."""
    closest = max(DIALECTS, key=lambda dialect: dialect.closeness(path))
    return closest if closest.closeness(path) else TORCHLESS
