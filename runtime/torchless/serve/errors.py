"""Why a request is refused, and the HTTP status of everything that Torchless raises.

    TorchlessError
    └── RequestError
        ├── MalformedError          400  the body is not JSON
        ├── UnauthorizedError       401
        ├── NotFoundError           404  no such model, or no such path
        ├── MethodError             405
        ├── ReloadError             409  a bundle to reload cannot be used
        ├── TooLargeError           413
        ├── MediaTypeError          415
        ├── InvalidError            422  JSON, but not what the operation takes
        ├── OverloadedError         429  with Retry-After
        ├── ClientLeftError         499  logged, never sent
        ├── NotReadyError           503  loading, or shutting down
        └── TimedOutError           503  with Retry-After

All other errors of the library are 500, except `InputError`: 422.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torchless.errors import InferenceError, InputError, TorchlessError

E = TypeVar("E", bound=BaseException)


class RequestError(TorchlessError):
    """A request cannot be answered.

    Attributes:
        status: the HTTP status.
        retry_after_s: whole seconds after which to try again; None if trying again does not help.
    """

    status = 400
    retry_after_s: int | None = None


class MalformedError(RequestError):
    """The body is not JSON."""


class UnauthorizedError(RequestError):
    """The API key is missing or wrong."""

    status = 401

    def __init__(self) -> None:
        super().__init__("expected the header Authorization: Bearer KEY with this server's API key")


class NotFoundError(RequestError):
    """There is no such model or path."""

    status = 404


class MethodError(RequestError):
    """The path exists, but not for this method.

    Attributes:
        allowed: the methods that it takes.
    """

    status = 405

    def __init__(self, problem: str, allowed: Sequence[str]) -> None:
        super().__init__(problem)
        self.allowed = allowed


def kind_of(error: BaseException) -> str:
    """The class of an error; of one that another process reports, the class that it has there."""
    return str(getattr(error, "kind", type(error).__name__))


class ReloadError(RequestError):
    """A bundle to reload cannot be used; the model that ran before stays."""

    status = 409

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"the bundle cannot be used ({kind_of(cause)}), and the model that ran before stays; "
            "the server's log says why"
        )


class TooLargeError(RequestError):
    """More bytes, texts or tokens than this server takes in one request."""

    status = 413


class MediaTypeError(RequestError):
    """The Content-Type is not JSON, or the body is compressed.

    Attributes:
        compressed: it is compressed.
    """

    status = 415

    def __init__(self, problem: str, *, compressed: bool = False) -> None:
        super().__init__(problem)
        self.compressed = compressed


class InvalidError(RequestError):
    """JSON, but not what the operation takes."""

    status = 422


class OverloadedError(RequestError):
    """The queue is full."""

    status = 429

    def __init__(self, problem: str, retry_after_s: int) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


class ClientLeftError(RequestError):
    """The client closed its connection before its answer."""

    status = 499

    def __init__(self) -> None:
        super().__init__("the client left")


class NotReadyError(RequestError):
    """Models are being loaded, or the server is shutting down."""

    status = 503
    retry_after_s = 1


class TimedOutError(RequestError):
    """The answer took longer than `request_timeout_s`."""

    status = 503

    def __init__(self, timeout_s: float, retry_after_s: int) -> None:
        super().__init__(f"no answer within {timeout_s:g} s; the server is overloaded, try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


# The nearest class in an error's ancestry decides. 500: a broken bundle, a batch that the model refused.
STATUSES: dict[type[TorchlessError], int] = {TorchlessError: 500, InputError: 422}


def status_of(error: TorchlessError) -> int:
    """The HTTP status for an error."""
    if isinstance(error, RequestError):
        return error.status
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def as_error(error: BaseException) -> Exception:
    """The error to hand on: a panic in Rust is no Exception, which event loops do not let pass, and may hold a text."""
    for each in (error, error.__cause__):
        if each is not None and not isinstance(each, Exception):
            return InferenceError(f"a library ended with {type(each).__name__}")
    assert isinstance(error, Exception)
    return error


def bare(error: E) -> E:
    """The error without the frames that it came through: they hold a request's body and texts until a collection."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
