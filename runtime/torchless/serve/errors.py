"""Why a request is refused, and the HTTP status of everything that Torchless raises.

    TorchlessError
    └── RequestError
        ├── MalformedError          400  the body is not JSON
        ├── UnauthorizedError       401
        ├── NotFoundError           404  no such model, or no such path
        ├── MethodError             405
        ├── ReloadError             409  the bundle on disk cannot take over
        ├── TooLargeError           413
        ├── MediaTypeError          415
        ├── InvalidError            422  JSON, but not what the operation takes
        ├── OverloadedError         429  with Retry-After
        ├── ClientLeftError         499  logged, never sent
        ├── NotReadyError           503  loading, or draining
        └── TimedOutError           503  with Retry-After

Whatever else the library raises is 500, but for what it says of its input: 422.
"""

from __future__ import annotations

from torchless.errors import InputError, TorchlessError


class RequestError(TorchlessError):
    """A request cannot be answered.

    Attributes:
        status: the HTTP status.
        retry_after_s: when trying again makes sense; None where it does not.
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
    """The path is there, but not for this method."""

    status = 405


class ReloadError(RequestError):
    """A bundle on disk cannot take over; what ran before goes on."""

    status = 409

    def __init__(self, cause: TorchlessError) -> None:
        why = f"the bundle cannot be used ({type(cause).__name__}), and what ran before goes on"
        super().__init__(f"{why}; the server's log says more")


class TooLargeError(RequestError):
    """More than this server takes in one request."""

    status = 413


class MediaTypeError(RequestError):
    """The body is not said to be JSON, or is compressed."""

    status = 415


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
    """The client closed its connection; nobody reads the answer."""

    status = 499

    def __init__(self) -> None:
        super().__init__("the client left")


class NotReadyError(RequestError):
    """Models are being loaded, or the server is about to end."""

    status = 503
    retry_after_s = 1


class TimedOutError(RequestError):
    """The answer was not there in time."""

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
