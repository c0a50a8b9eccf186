"""Torchless, as its users call it."""

from __future__ import annotations

from torchless import Classifier

from . import Engine, Job


def load_fp32(job: Job) -> Engine:
    """The bundle's exact variant."""
    return _load(job, "fp32")


def load_int8(job: Job) -> Engine:
    """The bundle's static int8 variant."""
    return _load(job, "int8")


def _load(job: Job, precision: str) -> Engine:
    classifier = Classifier.load(job.bundle, precision=precision, threads=job.threads)

    def labels(texts: list[str], _: int) -> list[str]:
        return [prediction.label for prediction in classifier.predict(texts)]

    return Engine(classifier.logits, labels, batch_sizes=(0,))  # it cuts lists into batches by itself
