"""Prometheus metrics. Names and meanings are those of text-embeddings-inference where it has one (`te_…`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .queued_request import QueuedRequest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
# Counters and histograms as they are told between processes: name, type and help text of each, and its samples, which
# are a name, labels and a value.
Counts = list[list[Any]]

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class Metrics:
    """The metrics of one application, in a registry of its own: a process can hold several applications."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "torchless_requests", "Requests by route and HTTP status.", ["route", "status"], registry=registry
        )
        self._texts = Counter("torchless_texts", "Texts answered.", registry=registry)
        self._tokens = Counter("torchless_tokens", "Tokens that the model read.", registry=registry)
        self._truncated = Counter("torchless_truncated_texts", "Texts that were cut.", registry=registry)

        def seconds(name: str, text: str) -> Histogram:
            return Histogram(name, text, buckets=_SECONDS, registry=registry)

        self._duration = seconds("te_request_duration", "Seconds from a request's arrival to its answer.")
        self._tokenise = seconds("te_request_tokenization_duration", "Seconds that tokenising took.")
        self._queue = seconds(
            "te_request_queue_duration",
            "Seconds from a request's arrival, without tokenising, until a worker took its first text.",
        )
        self._inference = seconds(
            "te_request_inference_duration", "Seconds from then until its last text was answered."
        )
        self._input_length = Histogram(
            "te_request_input_length", "Tokens of a text.", buckets=_SIZES, registry=registry
        )
        self._batch_texts = Histogram("te_batch_next_size", "Texts in a batch.", buckets=_SIZES, registry=registry)
        self._batch_tokens = Histogram("te_batch_next_tokens", "Tokens in a batch.", buckets=_SIZES, registry=registry)
        self.answered_texts = 0
        self._children: dict[tuple[str, int], Counter] = {}

    def gauges(self, read: Callable[[], Iterable[tuple[str, str, float]]]) -> None:
        """Add gauges that are read at each scrape: name, help text and value."""
        self.registry.register(_Gauges(read))

    def info(self, name: str, text: str, read: Callable[[], Iterable[dict[str, str]]]) -> None:
        """Add a metric that is always 1 and says something by its labels."""
        self.registry.register(_Info(name, text, read))

    def request(self, route: str, status: int) -> None:
        """Count a request that has been answered."""
        child = self._children.get((route, status))
        if child is None:  # looking a child up by its labels costs more than counting
            child = self._children[route, status] = self._requests.labels(route, str(status))
        child.inc()

    def answered(self, request: QueuedRequest, seconds: float) -> None:
        """Count the texts of a request, how long it took, and how long its three steps took."""
        tokens = request.tokens
        self._duration.observe(seconds)
        self.answered_texts += len(tokens.lengths)
        self._texts.inc(len(tokens.lengths))
        self._tokens.inc(sum(tokens.lengths))
        if any(tokens.truncated):
            self._truncated.inc(sum(tokens.truncated))
        self._tokenise.observe(tokens.seconds)
        self._queue.observe(request.queue_s)
        self._inference.observe(request.run_s)
        for length in tokens.lengths:
            self._input_length.observe(length)

    def batch(self, texts: int, tokens: int) -> None:
        """Count a batch that the model has run."""
        self._batch_texts.observe(texts)
        self._batch_tokens.observe(tokens)

    def counts(self) -> Counts:
        """What is counted; gauges are left out."""
        return [
            [each.name, each.type, each.documentation, [[one.name, one.labels, one.value] for one in each.samples]]
            for each in self.registry.collect()
            if each.type in ("counter", "histogram")
        ]

    def text(self, others: Counts | None = None) -> bytes:
        """All of it, with what other processes have counted, as Prometheus reads it."""
        if not others:
            return generate_latest(self.registry)
        whole = CollectorRegistry()
        whole.register(_Together(self.registry, merged([self.counts(), others])))
        return generate_latest(whole)


def merged(all_counts: Iterable[Counts]) -> Counts:
    """The sums of what several processes have counted; of when they began, the earliest."""
    families: dict[str, list[Any]] = {}
    sums: dict[str, dict[tuple[Any, ...], float]] = {}
    for name, kind, text, samples in (family for counts in all_counts for family in counts):
        families.setdefault(name, [name, kind, text])
        found = sums.setdefault(name, {})
        for sample, labels, value in samples:
            key = (sample, *labels.items())
            if sample.endswith("_created"):
                found[key] = min(value, found.get(key, value))
            else:
                found[key] = found.get(key, 0.0) + value
    return [
        [*family, [[key[0], dict(key[1:]), value] for key, value in sums[name].items()]]
        for name, family in families.items()
    ]


class _Together(Collector):
    """Counters of several processes, and this one's gauges."""

    def __init__(self, own: CollectorRegistry, counts: Counts) -> None:
        self._own, self._counts = own, counts

    def collect(self) -> Iterable[Metric]:
        for name, kind, text, samples in self._counts:
            family = Metric(name, text, kind)
            for sample in samples:
                family.add_sample(*sample)
            yield family
        yield from (each for each in self._own.collect() if each.type not in ("counter", "histogram"))


class _Gauges(Collector):
    def __init__(self, read: Callable[[], Iterable[tuple[str, str, float]]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        for name, text, value in self._read():
            yield GaugeMetricFamily(name, text, value=value)


class _Info(Collector):
    def __init__(self, name: str, text: str, read: Callable[[], Iterable[dict[str, str]]]) -> None:
        self._name, self._text, self._read = name, text, read

    def collect(self) -> Iterable[Metric]:
        rows = list(self._read())
        family = GaugeMetricFamily(self._name, self._text, labels=list(rows[0]) if rows else [])
        for row in rows:
            family.add_metric(list(row.values()), 1)
        yield family
