"""Torchless, as its users call it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from torchless import Classifier, Encoder, TextPair, TokenClassifier
from torchless.bulk.answering import Here
from torchless.bulk.classify import Classify
from torchless.bulk.embed import Embed
from torchless.bulk.job import Job
from torchless.bulk.questions import Model, Question
from torchless.bulk.run import run
from torchless.inputs.arguments import Text

from .contender import Input, LoadedContender, Setup

_ITS_OWN = (0,)  # one batch size, which is not used: Torchless cuts lists into batches itself


def load_fp32(setup: Setup) -> LoadedContender:
    """The bundle's fp32 variant."""
    return _classifier(setup, "fp32")


def load_fp16(setup: Setup) -> LoadedContender:
    """The bundle's fp16 variant, for GPUs."""
    return _classifier(setup, "fp16")


def load_int8(setup: Setup) -> LoadedContender:
    """The bundle's static int8 variant."""
    return _classifier(setup, "int8")


def load_fp32_encoder(setup: Setup) -> LoadedContender:
    """Embeddings of the bundle's fp32 variant."""
    return _encoder(setup, "fp32")


def load_int8_encoder(setup: Setup) -> LoadedContender:
    """Embeddings of the bundle's int8 variant."""
    return _encoder(setup, "int8")


def load_fp32_tagger(setup: Setup) -> LoadedContender:
    """Tags of the bundle's fp32 variant."""
    return _tagger(setup, "fp32")


def load_int8_tagger(setup: Setup) -> LoadedContender:
    """Tags of the bundle's int8 variant."""
    return _tagger(setup, "int8")


def _classifier(setup: Setup, precision: str) -> LoadedContender:
    classifier = Classifier.load(setup.bundle, precision=precision, device=setup.device, threads=setup.threads)

    question = Classify(Model(str(setup.bundle), precision, setup.device, threads=setup.threads))
    return LoadedContender(
        lambda texts: classifier.logits(_ours(texts)),
        lambda texts, _: classifier.predict(_ours(texts)),
        batch_sizes=_ITS_OWN,
        whole_file=_files(question),
    )


def _ours(texts: list[Input]) -> list[Text]:
    return [TextPair(*text) if isinstance(text, tuple) else text for text in texts]


def _tagger(setup: Setup, precision: str) -> LoadedContender:
    tagger = TokenClassifier.load(setup.bundle, precision=precision, threads=setup.threads)
    return LoadedContender(
        lambda texts: np.concatenate(tagger.logits(texts)), lambda texts, _: tagger.tag(texts), batch_sizes=_ITS_OWN
    )


def _encoder(setup: Setup, precision: str) -> LoadedContender:
    encoder = Encoder.load(setup.bundle, precision=precision, threads=setup.threads)
    pooling = encoder.manifest.pooling  # by its name, which a reranker wants
    question = Embed(Model(str(setup.bundle), precision, threads=setup.threads), pooling=pooling)
    embed = functools.partial(encoder.embed, pooling=pooling)
    return LoadedContender(
        embed, lambda texts, _: list(embed(texts)), batch_sizes=_ITS_OWN, whole_file=_files(question)
    )


def _files(question: Question) -> Callable[[Path, Path, int], object]:
    """What `torchless predict --input … --output …` does; the model is loaded once, for the first file."""
    loaded: list[Here] = []

    def here(asked: Question) -> Here:
        if not loaded:
            loaded.append(Here(asked))
        return loaded[0]

    return lambda source, output, _: run(Job(str(source), str(output), question), here)
