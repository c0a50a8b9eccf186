"""The shape of a dialect: operations, each a path with the types that go in and out, and its form of error.

Routes, validation and the OpenAPI document are all made from these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from torchless.errors import TorchlessError

from .errors import InvalidError, status_of

if TYPE_CHECKING:
    from .call import Call

_FEW_COMMAS = 32
_INERT = {b"id", b"name", b"user", b"request_id", b"rid", b"priority", b"options", b"padding", b"data"}
_MOST_CHARACTERS = 400  # of what a client is told about its own input


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
        summary: two or three words for a list of operations; the first line of the docstring of `run` says more.
        request: type of the body; None if there is none.
        response: type of the answer, or a tuple of the types that it may have.
        refusals: statuses of errors that this operation alone answers, and what they mean.
        readiness: it answers status 503, in the form of its usual answer, while the server or the model is not ready.
        public: no API key is asked for.
        logged: each request has a log line; None: where a key is asked for.
        documented: stands in the OpenAPI document.
        binary: takes and gives bytes that are not JSON alone, and decodes them itself.
        small_bytes: a larger body is answered in the event loop for large requests.
    """

    method: str
    path: str
    run: Callable[[Call, Any], Awaitable[Any]]
    summary: str
    request: Any = None
    response: Any = None
    refusals: Mapping[int, str] = field(default_factory=dict)
    readiness: bool = False
    public: bool = False
    logged: bool | None = None
    documented: bool = True
    binary: bool = False
    small_bytes: int = 16_384

    def is_large(self, body: bytes) -> bool:
        """Whether decoding a body and encoding its answer may take more than a few milliseconds.

        Commas bound the number of texts, and so the size of the answer.
        """
        return len(body) > self.small_bytes or body.count(b",") > _FEW_COMMAS

    def refuse_query(self, query: bytes) -> None:
        """Refuse a query string that names fields of the body, where they would have no effect. Others are ignored.

        Raises:
            InvalidError: it does.
        """
        given = {part.partition(b"=")[0] for part in query.split(b"&")}
        if wrong := given & self.fields:
            names = b", ".join(sorted(wrong)).decode()
            raise InvalidError(f"{names}: expected in the body; this path takes no parameters after a question mark")

    @cached_property
    def fields(self) -> frozenset[bytes]:
        """Names of the fields of the body, and of the objects in it, but for those that gateways add to any URL."""
        if self.request is None:
            return frozenset()
        _, objects = msgspec.json.schema_components([self.request])
        named = {name.encode() for each in objects.values() for name in each.get("properties", ())}
        return frozenset(named - _INERT)

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters of the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def names_model(self) -> bool:
        """Whether a request can name a model, and so one that does not exist."""
        return bool(self.parameters) or "model" in getattr(self.request, "__struct_fields__", ())


@dataclass(frozen=True)
class Dialect:
    """Paths that one family of clients knows.

    Attributes:
        error: an error as these clients expect it.
        error_type: the type of what `error` returns.
    """

    name: str
    description: str
    operations: tuple[Operation, ...]
    error: Callable[[TorchlessError], Any]
    error_type: Any

    def closeness(self, path: str) -> int:
        """How many leading segments of a path are those of one of this dialect's operations."""
        asked = path.strip("/").split("/")
        return max(_common(asked, operation.path.strip("/").split("/")) for operation in self.operations)


def _common(asked: list[str], known: list[str]) -> int:
    count = 0
    for one, other in zip(asked, known, strict=False):
        if not one or (one != other and not other.startswith("{")):
            break
        count += 1
    return count


def public_message(error: TorchlessError) -> str:
    """What a client is told: what it did wrong, and nothing about the inside of the server."""
    if status_of(error) == 500:
        return "the model could not answer; the server's log says why"
    return one_line(str(error))


def one_line(message: str) -> str:
    """A message in one line of bounded length; what it repeats of a client's input may be of any."""
    cut = message[:_MOST_CHARACTERS] + "…" if len(message) > _MOST_CHARACTERS else message
    return " ".join(cut.splitlines())
