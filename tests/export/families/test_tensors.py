"""Tensors and settings that do not fit their architecture are refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError, UnsupportedModelError
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make
from torchless_export.reference import Reference

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


def test_a_field_that_config_json_lacks_or_names_otherwise_is_what_transformers_takes(
    broken: Path, configure: Configure, tmp_path: Path
) -> None:
    configure(dim=None, hidden_size=32, n_heads=None, num_attention_heads=2)
    export(broken, tmp_path / "out", precisions=["fp32"])
    configure(n_layers=None)  # six in a config of this class
    refused(broken, tmp_path / "out2", CheckpointError, r"no tensor 'distilbert\.transformer\.layer\.2")


def test_an_unknown_activation_is_refused(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(activation="silu")
    refused(
        broken,
        tmp_path / "out",
        UnsupportedModelError,
        "activation: expected one of gelu, .*, got 'silu'",
        graph="packed",
    )


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


def test_layers_that_transformers_leaves_out_are_left_out_with_a_note(
    broken: Path, configure: Configure, tmp_path: Path
) -> None:
    configure(n_layers=1)
    said: list[str] = []
    export(broken, tmp_path / "out", precisions=["fp32"], say=said.append)
    assert any("leaving out 16 tensors, as transformers does: distilbert.transformer.layer.1." in line for line in said)


def test_a_table_that_a_class_ignores_by_rule_is_left_out(tmp_path: Path) -> None:
    folder = make(RANDOM_CHECKPOINTS["deberta-v3"], tmp_path / "checkpoint")
    tensors = weights(folder)
    words = tensors["deberta.embeddings.word_embeddings.weight"]
    tensors["deberta.embeddings.position_embeddings.weight"] = words[:64].clone()
    save(tensors, folder)
    assert export(folder, tmp_path / "out", precisions=["fp32"]).parity.token_ids_equal


def test_norms_of_layers_that_are_left_out_may_have_their_old_names(tmp_path: Path) -> None:
    folder = make(RANDOM_CHECKPOINTS["bert"], tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text())
    last = f"bert.encoder.layer.{config['num_hidden_layers'] - 1}."
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": config["num_hidden_layers"] - 1}))
    tensors = weights(folder)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for name in [name for name in tensors if name.startswith(last)]:
        for today, before in old.items():
            if name.endswith(today):
                tensors[name.replace(today, before)] = tensors.pop(name)
    save(tensors, folder)
    assert export(folder, tmp_path / "out", precisions=["fp32"]).parity.token_ids_equal


def test_a_tensor_that_transformers_reads_and_the_graph_does_not_is_refused(broken: Path) -> None:
    reference = Reference(Checkpoint.open(str(broken)), None, "classifier")
    reference.refuse_unread([])
    with pytest.raises(CheckpointError, match=r"1 tensors that this architecture does not have: .*lin1\.weight"):
        reference.refuse_unread(["distilbert.transformer.layer.1.ffn.lin1.weight"])


def test_a_tensor_with_nan_is_named(broken: Path, tmp_path: Path) -> None:
    tensors = weights(broken)
    tensors["pre_classifier.bias"][3] = float("nan")
    save(tensors, broken)
    refused(broken, tmp_path / "out", CheckpointError, r"pre_classifier\.bias holds NaN or infinity")
