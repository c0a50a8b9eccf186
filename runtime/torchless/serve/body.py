"""Reading a body, within bounds."""

from __future__ import annotations

from typing import Any

from .byte_budget import FREE_BYTES, Share
from .errors import ClientLeftError, TooLargeError

Receive = Any


async def read_body(headers: dict[bytes, bytes], receive: Receive, max_bytes: int, share: Share) -> bytes:
    """The whole body; one whose Content-Length is too large is not read at all.

    Args:
        headers: the request's.
        receive: gives the next part of the body.
        max_bytes: the largest body.
        share: holds the bytes of a body that is larger than FREE_BYTES, as they arrive.

    Raises:
        TooLargeError: the body is larger than `max_bytes`.
        OverloadedError: other large bodies take all of the room.
        ClientLeftError: the client left before its end.
    """
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18 or int(length) > max_bytes:
        raise TooLargeError(f"expected a body of at most {max_bytes} bytes, got {length.decode('latin-1')[:20]}")
    body, held = bytearray(), FREE_BYTES
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        chunk: bytes = message.get("body", b"")
        size = len(body) + len(chunk)
        if size > max_bytes:
            raise TooLargeError(f"expected a body of at most {max_bytes} bytes, got more")
        if size > held:
            share.take(size - held)
            held = size
        if not message.get("more_body", False):
            return bytes(body + chunk) if body else chunk
        body += chunk
        del chunk, message  # while the next part is waited for, there is no second copy of this one
