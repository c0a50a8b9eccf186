"""The shape of a dialect: operations, each a path with the types that go in and out, and its form of error.

Routes, validation and the OpenAPI document are all made from these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torchless.errors import TorchlessError

from .errors import status_of

if TYPE_CHECKING:
    from .call import Call


@dataclass(frozen=True)
class Reply:
    """An answer that is not a JSON object with status 200."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One path of a dialect.

    Attributes:
        run: from a call and its decoded body (None for GET) to what is encoded as JSON, or a `Reply`.
        request: type of the body; None where there is none.
        response: type of the answer, or a tuple of those that it may have.
        public: no API key is asked for.
        documented: stands in the OpenAPI document.
        binary: takes and gives bytes that are not JSON alone, and decodes them itself.
    """

    method: str
    path: str
    run: Callable[[Call, Any], Awaitable[Any]]
    summary: str
    request: Any = None
    response: Any = None
    public: bool = False
    documented: bool = True
    binary: bool = False


@dataclass(frozen=True)
class Dialect:
    """Paths that one family of clients knows.

    Attributes:
        error: an error and its type, as these clients expect them.
        error_type: the type of what `error` returns.
    """

    name: str
    description: str
    operations: tuple[Operation, ...]
    error: Callable[[TorchlessError], Any]
    error_type: Any


def public_message(error: TorchlessError) -> str:
    """What a client is told: our own explanation of what it did wrong, and nothing about the inside of the server."""
    if status_of(error) == 500:
        return "the model could not answer; the server's log says why"
    return str(error)
