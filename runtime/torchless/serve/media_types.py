"""Which bodies are read: JSON, and tensors in bytes; never what a form or a script on another web page can send.

A page can send text/plain, both types of forms, and a body without a type to any server, without asking it first
(https://fetch.spec.whatwg.org/#cors-safelisted-request-header). All other types, and headers that only programs use, it
must ask for.
"""

from __future__ import annotations

from .errors import MediaTypeError

INFERENCE_HEADER = "Inference-Header-Content-Length"
_HEADER = INFERENCE_HEADER.lower().encode()
_JSON = b"application/json"
_BYTES = b"application/octet-stream"
# The clients of Triton and of KServe name no type. They send the header only with tensors in bytes; a page that chooses
# its User-Agent must ask first.
_CLIENTS = (b"python/gevent-http-client", b"python-httpx")


def check_media_type(headers: dict[bytes, bytes], *, binary: bool) -> None:
    """Refuse a body that is not JSON, or is compressed; where `binary` is true, bytes that hold tensors are fine too.

    Raises:
        MediaTypeError: it is something else; the message says what was expected.
    """
    given = headers.get(b"content-type", b"")
    kind = given.partition(b";")[0].strip().lower()
    if not (_is_json(kind) or (binary and _holds_tensors(kind, headers))):
        expected = "application/json" + (f" or {_BYTES.decode()}" if binary else "")
        raise MediaTypeError(f"expected Content-Type: {expected}, got {given.decode('latin-1')[:80] or 'none'}")
    for header, plain in ((b"content-encoding", b"identity"), (b"transfer-encoding", b"chunked")):
        coding = headers.get(header, b"").strip().lower()
        if coding not in (b"", plain):
            raise MediaTypeError(
                f"expected a body that is not compressed, got {header.decode()}: {coding.decode('latin-1')[:80]}",
                compressed=True,
            )


def _is_json(kind: bytes) -> bool:
    return kind == _JSON or (kind.startswith(b"application/") and kind.endswith(b"+json"))


def _holds_tensors(kind: bytes, headers: dict[bytes, bytes]) -> bool:
    if kind == _BYTES:
        return True
    known = _HEADER in headers or headers.get(b"user-agent", b"").startswith(_CLIENTS)
    return not kind and known
