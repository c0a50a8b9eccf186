"""The same bundle on a GPU, where this machine has one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torchless import Classifier, Encoder
from torchless.errors import DeviceError
from torchless.running.devices import create
from torchless_export import ExportReport
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS

Exported = tuple[Path, Path, ExportReport]
# Of a logit, by precision; the families' logits have a standard deviation of about 1.
TOLERANCE = {"fp32": 5e-5, "fp16": 2e-2}


@pytest.fixture(scope="module", autouse=True)
def _gpu(tiny: Path) -> None:
    try:
        create(tiny / "classifier.fp32.onnx", "cuda")
    except DeviceError as error:
        pytest.skip(f"no GPU here: {error}")


@pytest.fixture(scope="module", params=RANDOM_CHECKPOINTS)
def bundle(request: pytest.FixtureRequest, exported_random: Callable[[str], Exported]) -> Path:
    return exported_random(request.param)[1]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gpu_answers_as_the_cpu_does_alone_and_in_company(bundle: Path, sentences: list[str], precision: str) -> None:
    expected = Classifier.load(bundle, precision="fp32").logits(sentences[:40])
    classifier = Classifier.load(bundle, precision=precision, device="cuda")
    together = classifier.logits(sentences[:40])
    alone = np.concatenate([classifier.logits([text]) for text in sentences[:40]])
    np.testing.assert_allclose(together, expected, rtol=0, atol=TOLERANCE[precision])
    np.testing.assert_allclose(alone, expected, rtol=0, atol=TOLERANCE[precision])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_embeddings_too(bundle: Path, sentences: list[str], precision: str) -> None:
    expected = Encoder.load(bundle, precision="fp32").embed(sentences[:40])
    encoder = Encoder.load(bundle, precision=precision, device="cuda")
    for vectors in (encoder.embed(sentences[:40]), np.concatenate([encoder.embed([text]) for text in sentences[:40]])):
        assert (vectors * expected).sum(axis=1).min() > 1 - TOLERANCE[precision]


def test_a_gpu_takes_fp16_by_default_and_refuses_int8(exported_random: Callable[[str], Exported]) -> None:
    bundle = exported_random("distilbert")[1]
    assert Classifier.load(bundle, device="cuda").precision == "fp16"
    with pytest.raises(DeviceError, match="int8 has no CUDA kernels"):
        Classifier.load(bundle, device="cuda", precision="int8")


def test_lone_texts_from_many_threads_get_their_own_answers(
    exported_random: Callable[[str], Exported], sentences: list[str]
) -> None:
    classifier = Classifier.load(exported_random("distilbert")[1], device="cuda")
    expected = [classifier.logits([text]) for text in sentences[:50]]
    wrong: list[str] = []

    def ask() -> None:
        for text, answer in zip(sentences[:50], expected, strict=True):
            if np.abs(classifier.logits([text]) - answer).max() > 1e-6:
                wrong.append(text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
