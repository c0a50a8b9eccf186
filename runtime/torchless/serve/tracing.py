"""OpenTelemetry spans, one per request, once `configure` was called; nothing before that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from torchless import __version__
from torchless.errors import needs_extra

if TYPE_CHECKING:
    from .call import Call
    from .operation import Operation

Note = Callable[[int, "Call"], None]


class _NoSpan:
    def __enter__(self) -> Note:
        return _ignore

    def __exit__(self, *_: object) -> None: ...


def _ignore(_status: int, _call: Call) -> None: ...


_NO_SPAN = _NoSpan()
_tracer: Any = None


def configure(endpoint: str) -> Callable[[], None]:
    """Send one span per request to an OTLP/HTTP collector.

    Returns:
        A function that sends the last spans and stops.

    Raises:
        MissingExtraError: the extra `otel` is not installed.
    """
    global _tracer
    with needs_extra("--otlp-endpoint", "otel"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    provider = TracerProvider(resource=Resource.create({"service.name": "torchless", "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    _tracer = provider.get_tracer("torchless.serve", __version__)

    def stop() -> None:
        global _tracer
        _tracer = None
        provider.shutdown()

    return stop


def span(operation: Operation, headers: dict[bytes, bytes]) -> AbstractContextManager[Note]:
    """A span around one request, a child of the one that its `traceparent` header names."""
    return _NO_SPAN if _tracer is None else _span(operation, headers)


@contextmanager
def _span(operation: Operation, headers: dict[bytes, bytes]) -> Iterator[Note]:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract(
        {"traceparent": headers.get(b"traceparent", b"").decode("latin-1")}
    )
    name = f"{operation.method} {operation.path}"
    with _tracer.start_as_current_span(name, parent, SpanKind.SERVER) as current:

        def note(status: int, call: Call) -> None:
            current.set_attributes({"http.request.method": operation.method, "http.route": operation.path})
            current.set_attribute("http.response.status_code", status)
            if call.queued is not None and call.queued.tokens.lengths:
                tokens = call.queued.tokens
                times = {"tokenise": tokens.seconds, "queue": call.queued.queue_s, "inference": call.queued.run_s}
                current.set_attributes({f"torchless.{step}_ms": seconds * 1e3 for step, seconds in times.items()})
                counts = {"torchless.texts": len(tokens.lengths), "torchless.tokens": sum(tokens.lengths)}
                current.set_attributes(counts)

        yield note
