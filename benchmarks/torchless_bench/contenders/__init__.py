"""Who takes part. An engine is one file here; adding one is a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from torchless.model import Device

Floats = NDArray[np.float32]
Kind = Literal["exact", "int8", "fp16"]


@dataclass(frozen=True)
class Job:
    """What every contender is given.

    Attributes:
        checkpoint: the folder that transformers wrote.
        bundle: the same model as Torchless exported it.
        work: a folder for converted models; what is there from an earlier run is used again.
        threads: CPU threads that a call may use.
        device: where to run.
    """

    checkpoint: Path
    bundle: Path
    work: Path
    threads: int
    device: Device = "cpu"


@dataclass(frozen=True)
class Engine:
    """A loaded contender.

    Attributes:
        answer: texts in, their logits or embeddings out, float32 (texts, labels or dim): one call, one batch,
            tokenising included.
        whole_list: a list in, a label or a vector each out, at a batch size.
        batch_sizes: what `whole_list` is to be tried with; an engine that cuts lists by itself names one.
    """

    answer: Callable[[list[str]], Floats]
    whole_list: Callable[[list[str], int], Sequence[Any]]
    batch_sizes: Sequence[int] = field(default=(1, 8, 32))

    @classmethod
    def batched(
        cls, logits: Callable[[list[str]], Floats], names: Sequence[str], batch_sizes: Sequence[int] = (1, 8, 32)
    ) -> Engine:
        """An engine that knows batches only: its lists go through the loop that a careful user would write.

        The texts are sorted by length first, so that like lengths pad least.
        """

        def labels(texts: list[str], batch_size: int) -> list[str]:
            order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
            found = [""] * len(texts)
            for start in range(0, len(order), batch_size):
                group = order[start : start + batch_size]
                for index, best in zip(group, logits([texts[i] for i in group]).argmax(axis=1), strict=True):
                    found[index] = names[best]
            return found

        return cls(logits, labels, batch_sizes)


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    Attributes:
        name: what --contenders takes.
        title: what tables and plots show.
        kind: "exact" engines must answer as PyTorch does; "int8" and "fp16" ones may differ a little.
        load: "module:function" that takes a Job and returns an Engine, called in the contender's own process.
        quick: takes part in a --quick run; engines that compile or convert for long do not.
    """

    name: str
    title: str
    kind: Kind
    load: str
    quick: bool = True


_HERE = __name__
# The first of each table is the reference that the others are compared with.
CLASSIFIERS = (
    Contender("torch-eager", "PyTorch eager", "exact", f"{_HERE}.pytorch:load_eager"),
    Contender("torch-compile", "torch.compile", "exact", f"{_HERE}.pytorch:load_compiled", quick=False),
    Contender("torch-int8", "PyTorch dynamic int8", "int8", f"{_HERE}.pytorch:load_int8"),
    Contender("pipeline", "transformers pipeline", "exact", f"{_HERE}.pipeline:load"),
    Contender("optimum", "Optimum ORT fp32", "exact", f"{_HERE}.optimum:load_fp32", quick=False),
    Contender("optimum-int8", "Optimum ORT int8 (avx2)", "int8", f"{_HERE}.optimum:load_int8", quick=False),
    Contender("ort-fused", "ORT fused fp32", "exact", f"{_HERE}.ort_fused:load_fp32"),
    Contender("ort-fused-int8", "ORT fused int8 (QAttention)", "int8", f"{_HERE}.ort_fused:load_int8"),
    Contender("openvino", "OpenVINO fp32", "exact", f"{_HERE}.openvino:load_fp32"),
    Contender("openvino-int8", "OpenVINO int8 (NNCF)", "int8", f"{_HERE}.openvino:load_int8", quick=False),
    Contender("ctranslate2", "CTranslate2 fp32", "exact", f"{_HERE}.ctranslate2:load_fp32", quick=False),
    Contender("ctranslate2-int8", "CTranslate2 int8", "int8", f"{_HERE}.ctranslate2:load_int8"),
    Contender("torchless-fp32", "Torchless fp32", "exact", f"{_HERE}.torchless:load_fp32"),
    Contender("torchless-int8", "Torchless int8", "int8", f"{_HERE}.torchless:load_int8"),
)
ON_GPU = (
    Contender("torch-eager", "PyTorch eager fp32", "exact", f"{_HERE}.pytorch:load_eager"),
    Contender("torch-fp16", "PyTorch eager fp16", "fp16", f"{_HERE}.pytorch:load_fp16"),
    Contender("torch-compile-fp16", "torch.compile fp16", "fp16", f"{_HERE}.pytorch:load_compiled_fp16", quick=False),
    Contender("torchless-fp32", "Torchless fp32", "exact", f"{_HERE}.torchless:load_fp32"),
    Contender("torchless-fp16", "Torchless fp16", "fp16", f"{_HERE}.torchless:load_fp16"),
)
ENCODERS = (
    Contender("sentence-transformers", "sentence-transformers", "exact", f"{_HERE}.sentence_transformers:load"),
    Contender("fastembed", "fastembed", "exact", f"{_HERE}.fastembed:load"),
    Contender("torchless-fp32", "Torchless fp32", "exact", f"{_HERE}.torchless:load_fp32_encoder"),
    Contender("torchless-int8", "Torchless int8", "int8", f"{_HERE}.torchless:load_int8_encoder"),
)


def load(where: str, job: Job) -> Engine:
    """Import a contender's module and load its engine."""
    module, _, function = where.partition(":")
    engine: Engine = getattr(import_module(module), function)(job)
    return engine


def label_names(config: Any) -> list[str]:
    """Label names in the order of the logits, from a transformers config."""
    return [config.id2label[index] for index in range(len(config.id2label))]
