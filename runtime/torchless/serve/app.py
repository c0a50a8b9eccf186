"""The application: every operation of every dialect at its path."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from torchless.errors import TorchlessError

from .dialects import DIALECTS
from .dialects.tei import error as tei_error
from .endpoint import Endpoint
from .errors import MethodError, NotFoundError, status_of
from .service import Service


def build(service: Service) -> Starlette:
    """Routes for a service. `app.state.service` is the service."""
    routes = [
        Route(operation.path, Endpoint(service, dialect, operation), methods=[operation.method])
        for dialect in DIALECTS
        for operation in dialect.operations
    ]
    app = Starlette(routes=routes, exception_handlers={404: _refuse, 405: _refuse, 500: _fail})
    app.router.redirect_slashes = False
    app.state.service = service
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """A path or method that no dialect has."""
    assert isinstance(error, HTTPException)
    problem: TorchlessError = NotFoundError("no such path; /docs lists them")
    if error.status_code == 405:
        problem = MethodError(f"{request.method} is not for this path; /docs lists them")
    return _answer(problem, error.headers)


async def _fail(_request: Request, _error: Exception) -> Response:
    """A bug of ours; the server's log has the traceback."""
    return _answer(TorchlessError())


def _answer(problem: TorchlessError, headers: Mapping[str, str] | None = None) -> Response:
    body = msgspec.json.encode(tei_error(problem))
    return Response(body, status_of(problem), headers, media_type="application/json")
