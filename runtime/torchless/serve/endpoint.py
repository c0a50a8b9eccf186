"""An operation as an ASGI application: the key, the limits, the body, the answer, and what is logged and counted."""

from __future__ import annotations

import asyncio
import itertools
import os
import traceback
import uuid
from typing import Any

import msgspec

from torchless.errors import TorchlessError

from .body import read_body
from .byte_budget import FREE_BYTES
from .call import Call
from .encoding import encode
from .errors import (
    ClientLeftError,
    InvalidError,
    MalformedError,
    MediaTypeError,
    MethodError,
    NotReadyError,
    TimedOutError,
    UnauthorizedError,
    bare,
    status_of,
)
from .json_bounds import check_elements
from .keys import is_key
from .logs import log, log_error
from .media_types import check_media_type
from .operation import Dialect, Operation, Reply
from .request_queue import SHUTTING_DOWN
from .service import Service
from .tracing import span

Scope = Any
Receive = Any
Send = Any

_ENCODER = msgspec.json.Encoder()
_PROCESS, _COUNT = uuid.uuid4().hex[:24].encode(), itertools.count()  # a uuid for each request would cost more


def _rename() -> None:
    """Give a forked process ids of its own."""
    global _PROCESS
    _PROCESS = uuid.uuid4().hex[:24].encode()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_rename)


class Endpoint:
    """One operation of one dialect."""

    def __init__(self, service: Service, dialect: Dialect, operation: Operation) -> None:
        self._service = service
        self._dialect = dialect
        self._operation = operation
        self._logged = not operation.public if operation.logged is None else operation.logged
        self._decode = None
        if operation.request is not None and not operation.binary:
            self._decode = msgspec.json.Decoder(operation.request).decode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        call = Call(self._service, scope, headers, receive)
        request_id = _request_id(headers)
        problem: TorchlessError | None = None
        try:
            with span(self._operation, headers) as note:
                try:
                    reply = await self._answer(call, headers, receive, scope["query_string"])
                except TorchlessError as error:
                    problem, reply = bare(error), self._refusal(error)
                except asyncio.CancelledError:
                    if not self._service.draining:
                        raise
                    problem = NotReadyError(SHUTTING_DOWN)  # and had no more time for this
                    reply = self._refusal(problem)
                except Exception as error:
                    problem = TorchlessError(f"{type(error).__name__}: {error}")
                    reply = self._refusal(problem)
                    log_error("a bug", request_id=request_id.decode(), exception=traceback.format_exc())
                    bare(error)
                total_s = call.spent_s
                if not isinstance(problem, ClientLeftError):
                    extra = [*_times(call, total_s), (b"x-request-id", request_id)]
                    await _send(send, scope, reply, extra, self._service)
                note(reply.status, call)
        finally:
            call.share.give_all()
        self._record(call, request_id, reply.status, problem, total_s)

    async def _answer(self, call: Call, headers: dict[bytes, bytes], receive: Receive, query: bytes) -> Reply:
        operation = self._operation
        if self._service.settings.api_key is not None and not operation.public:
            check_key(headers, self._service.settings.api_key)
        if operation.request is None:
            return await self._run(call, None)
        if query:
            operation.refuse_query(query)
        check_media_type(headers, binary=operation.binary)
        settings = self._service.settings
        body = await read_body(headers, receive, settings.max_body_bytes, call.share)
        if not operation.is_large(body):
            return await self._run(call, body)
        call.aside = True
        work = self._run(call, body)
        del body  # `_run` lets go of it once it is decoded

        def late() -> TimedOutError:
            return TimedOutError(settings.request_timeout_s, self._service.queue.retry_after_s())

        left_s = max(0.0, settings.request_timeout_s - call.spent_s)
        return await self._service.aside.run(work, call.watch, left_s, late)

    async def _run(self, call: Call, body: Any) -> Reply:
        operation = self._operation
        try:
            if self._decode is not None:
                if call.aside:
                    check_elements(body, self._service.settings.max_json_elements)
                body = self._decode(body)
            answer = await operation.run(call, body)
        except msgspec.ValidationError as error:
            raise InvalidError(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedError(f"the body is not JSON: {error}") from None
        except RecursionError:
            raise MalformedError("the body is nested too deeply") from None
        if isinstance(answer, Reply):
            return answer
        return Reply(encode(answer) if call.aside else _ENCODER.encode(answer))

    def _refusal(self, error: TorchlessError) -> Reply:
        headers = {}
        if (seconds := getattr(error, "retry_after_s", None)) is not None:
            headers["retry-after"] = str(seconds)
        if isinstance(error, MethodError):
            headers["allow"] = ", ".join(error.allowed)
        if isinstance(error, UnauthorizedError):
            headers["www-authenticate"] = "Bearer"
        if isinstance(error, MediaTypeError) and error.compressed:
            headers["accept-encoding"] = "identity"
        return Reply(_ENCODER.encode(self._dialect.error(error)), status=status_of(error), headers=headers)

    def _record(
        self, call: Call, request_id: bytes, status: int, problem: TorchlessError | None, total_s: float
    ) -> None:
        service, route = self._service, self._operation.path
        service.metrics.request(route, status)
        if call.queued is not None and problem is None:
            service.metrics.answered(call.queued, total_s)
        if status == 500:
            log_error("the model failed", request_id=request_id.decode(), error=str(problem))
        if service.settings.access_log and self._logged:
            fields: dict[str, Any] = {"request_id": request_id.decode(), "route": route, "status": status}
            fields["total_ms"] = round(total_s * 1e3, 3)
            if (queued := call.queued) is not None and queued.tokens.lengths:
                tokens = queued.tokens
                fields |= {"model": queued.model.name, "texts": len(tokens.lengths), "tokens": sum(tokens.lengths)}
                fields |= {"tokenise_ms": round(tokens.seconds * 1e3, 3), "queue_ms": round(queued.queue_s * 1e3, 3)}
                fields |= {"inference_ms": round(queued.run_s * 1e3, 3), "truncated": sum(tokens.truncated)}
            if problem is not None:
                fields["error"] = type(problem).__name__
            log("request", **fields)


def check_key(headers: dict[bytes, bytes], key: str) -> None:
    """Compare the bearer token with the key, in constant time.

    Raises:
        UnauthorizedError: it is not the key.
    """
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not is_key(token.strip(), key):
        raise UnauthorizedError


def _request_id(headers: dict[bytes, bytes]) -> bytes:
    given = headers.get(b"x-request-id", b"")
    if 0 < len(given) <= 128 and given.isascii() and given.decode("ascii").isprintable():
        return given
    return b"%s%08x" % (_PROCESS, next(_COUNT))


def _times(call: Call, total_s: float) -> list[tuple[bytes, bytes]]:
    """TEI's headers, in milliseconds; and which texts were cut."""
    queued = call.queued
    total = b"%.3f" % (total_s * 1e3)
    if queued is None or not queued.tokens.lengths:
        return [(b"x-total-time", total)]
    tokens = queued.tokens
    found = [
        (b"x-compute-type", queued.model.device.encode()),
        (b"x-compute-time", total),
        (b"x-compute-characters", b"%d" % queued.characters),
        (b"x-compute-tokens", b"%d" % sum(tokens.lengths)),
        (b"x-total-time", total),
        (b"x-tokenization-time", b"%.3f" % (tokens.seconds * 1e3)),
        (b"x-queue-time", b"%.3f" % (queued.queue_s * 1e3)),
        (b"x-inference-time", b"%.3f" % (queued.run_s * 1e3)),
    ]
    if any(tokens.truncated):
        cut = list(dict.fromkeys(i // call.queued_per_text for i, lost in enumerate(tokens.truncated) if lost))
        found.append((b"x-truncated", ",".join(map(str, cut[:100])).encode() + (b",..." if len(cut) > 100 else b"")))
    return found


async def _send(send: Send, scope: Scope, reply: Reply, headers: list[tuple[bytes, bytes]], service: Service) -> None:
    sent = 0
    headers += [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-content-type-options", b"nosniff"),
    ]
    headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    if service.draining:
        headers.append((b"connection", b"close"))  # the next request goes to a server that stays
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else reply.body
    while len(body) - sent > FREE_BYTES:  # what the client does not take waits here, not in the connection
        part, sent = body[sent : sent + FREE_BYTES], sent + FREE_BYTES
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": body[sent:]})
