"""Torchless, as its users call it."""

from __future__ import annotations

from torchless import Classifier, Encoder

from . import Engine, Job


def load_fp32(job: Job) -> Engine:
    """The bundle's exact variant."""
    return _classifier(job, "fp32")


def load_fp16(job: Job) -> Engine:
    """The bundle's variant for GPUs."""
    return _classifier(job, "fp16")


def load_int8(job: Job) -> Engine:
    """The bundle's static int8 variant."""
    return _classifier(job, "int8")


def load_fp32_encoder(job: Job) -> Engine:
    """Embeddings of the exact variant."""
    return _encoder(job, "fp32")


def load_int8_encoder(job: Job) -> Engine:
    """Embeddings of the int8 variant."""
    return _encoder(job, "int8")


def _classifier(job: Job, precision: str) -> Engine:
    classifier = Classifier.load(job.bundle, precision=precision, device=job.device, threads=job.threads)
    # It cuts lists into batches by itself.
    return Engine(classifier.logits, lambda texts, _: classifier.predict(texts), batch_sizes=(0,))


def _encoder(job: Job, precision: str) -> Engine:
    encoder = Encoder.load(job.bundle, precision=precision, threads=job.threads)
    return Engine(encoder.embed, lambda texts, _: list(encoder.embed(texts)), batch_sizes=(0,))
