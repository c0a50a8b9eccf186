"""Tensors and settings that do not fit their architecture are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from torchless_export import export
from torchless_export.errors import CheckpointError, UnsupportedModelError

Configure = Callable[..., None]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return tensors


def save(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def refused(folder: Path, out: Path, error: type[Exception], complaint: str, **options: Any) -> None:
    with pytest.raises(error, match=complaint):
        export(folder, out, **options)
    assert not out.exists()


def test_a_checkpoint_without_a_head_says_what_is_missing(minilm: Path, tmp_path: Path) -> None:
    refused(
        minilm, tmp_path / "out", CheckpointError, r"no classification head: pre_classifier\.weight.*--encoder-only"
    )


def test_an_unknown_activation_is_refused(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(activation="silu")
    refused(
        broken,
        tmp_path / "out",
        UnsupportedModelError,
        "activation: expected one of gelu, .*, got 'silu'",
        graph="packed",
    )


def test_a_missing_field_of_the_config_is_named(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(n_layers=None)
    refused(broken, tmp_path / "out", CheckpointError, "expected a field 'n_layers', got none")


def test_a_missing_tensor_is_named(broken: Path, tmp_path: Path) -> None:
    tensors = weights(broken)
    del tensors["distilbert.transformer.layer.1.ffn.lin2.bias"]
    save(tensors, broken)
    refused(
        broken, tmp_path / "out", CheckpointError, r"no tensor 'distilbert\.transformer\.layer\.1\.ffn\.lin2\.bias'"
    )


def test_a_tensor_of_another_shape_is_named_with_both(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(hidden_dim=48)
    refused(
        broken, tmp_path / "out", CheckpointError, r"lin1\.weight has shape \(64, 32\), but the config says \(48, 32\)"
    )


def test_a_tensor_that_nothing_reads_is_refused(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(n_layers=1)
    refused(broken, tmp_path / "out", CheckpointError, r"16 tensors that this architecture does not have")


def test_a_tensor_with_nan_is_named(broken: Path, tmp_path: Path) -> None:
    tensors = weights(broken)
    tensors["pre_classifier.bias"][3] = float("nan")
    save(tensors, broken)
    refused(broken, tmp_path / "out", CheckpointError, r"pre_classifier\.bias holds NaN or infinity")
