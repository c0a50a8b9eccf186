"""What loading a classifier and loading an encoder share: checks, tokenizer, session."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from .bundle import TOKENIZER, Bundle
from .errors import DeviceError, IncompatibleError
from .manifest import Manifest, Precision
from .session import Device, Session
from .tokens import Tokenizer


@dataclass(frozen=True)
class Model:
    """One graph of a bundle, ready to run."""

    manifest: Manifest
    precision: Precision
    tokenizer: Tokenizer
    session: Session


def load(
    path: str | os.PathLike[str],
    kind: Literal["classifier", "encoder"],
    *,
    precision: str,
    device: Device,
    threads: int | None,
) -> Model:
    """Open a bundle, check every file that is used, and load one of its graphs."""
    bundle = Bundle.open(path)
    manifest = bundle.manifest
    name, variant = bundle.variant(_precision_for(device, precision))
    graph = variant.classifier if kind == "classifier" else variant.encoder
    if graph is None:
        raise IncompatibleError(f"{path} has no classification head. Load it with Encoder.load({str(path)!r}).")
    bundle.check(variant)
    padding_id = manifest.padding_id if manifest.layout == "padded" else None
    session = Session(bundle.path / graph, device=device, threads=threads, padding_id=padding_id)
    expected = len(manifest.labels) if kind == "classifier" else manifest.hidden_size
    if session.output_size != expected:
        raise IncompatibleError(
            f"{path}: manifest.json says {expected} {'labels' if kind == 'classifier' else 'dimensions'}, but {graph} "
            f"answers {session.output_size}. Export the bundle again."
        )
    return Model(manifest, name, Tokenizer(bundle.path / TOKENIZER, manifest.max_tokens), session)


def _precision_for(device: str, precision: str) -> str:
    if device == "cuda" and precision == "int8":
        # onnxruntime would take it and run it on the CPU (microsoft/onnxruntime#10267).
        raise DeviceError("int8 has no CUDA kernels in onnxruntime. Load with precision='fp32' or device='cpu'.")
    return "fp32" if device == "cuda" and precision == "auto" else precision
