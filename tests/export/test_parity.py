"""How the fp32 bundle is judged: PyTorch without padding, differences relative to the states' size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from torchless import verify
from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import UnsupportedModelError
from torchless_export.reference import Reference

TEXTS = ["good", "a bad film that goes on and on", "fine", "so it goes"]


@pytest.mark.parametrize("changes", [{"padding_side": "left"}, {"pad_token": None}])
def test_a_reference_needs_no_padding(broken: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    path = broken / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    (broken / "special_tokens_map.json").unlink(missing_ok=True)
    reference = Reference(Checkpoint.open(str(broken)), 64, "classifier")
    states, logits = reference.run(TEXTS)
    assert logits is not None
    for index, text in enumerate(TEXTS):
        (alone,), answer = reference.run([text])
        assert answer is not None
        np.testing.assert_allclose(states[index], alone, atol=1e-5)
        np.testing.assert_allclose(logits[index], answer[0], atol=1e-5)
    assert export(broken, tmp_path / "out", precisions=["fp32"]).parity.token_ids_equal


def test_float64_tells_the_rounding_and_leaves_the_model_as_it_was(checkpoint: Path) -> None:
    reference = Reference(Checkpoint.open(str(checkpoint)), 64, "classifier")
    weights = {name: tensor.clone() for name, tensor in reference.model.state_dict().items()}
    before = reference.run(TEXTS)[1]
    exact = reference.run_exactly(TEXTS)[1]
    assert before is not None
    assert exact is not None
    assert {row.dtype for row in exact} == {np.dtype(np.float64)}
    assert 0 < np.abs(np.stack(exact) - np.stack(before)).max() < 1e-5
    assert all(torch.equal(tensor, weights[name]) for name, tensor in reference.model.state_dict().items())
    # Not to the bit: on some CPUs a sum depends on where its numbers lie in memory.
    np.testing.assert_allclose(np.stack(reference.run(TEXTS)[1] or []), np.stack(before), atol=1e-6)


def test_hidden_states_are_judged_relative_to_their_size(broken: Path, tmp_path: Path) -> None:
    tensors = load_file(broken / "model.safetensors")
    norm = "distilbert.transformer.layer.1.output_layer_norm"
    for kind in ("weight", "bias"):
        tensors[f"{norm}.{kind}"] = tensors[f"{norm}.{kind}"] * 1e4
    tensors["pre_classifier.weight"] = tensors["pre_classifier.weight"] / 1e4
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    report = export(broken, tmp_path / "out", precisions=["fp32"]).parity
    assert report.max_hidden_difference is not None
    assert report.max_hidden_difference < 1e-4
    assert (report.hidden_rounding, report.logit_rounding) == (None, None)


def test_large_outputs_are_judged_by_what_float32_can_tell(broken: Path, tmp_path: Path) -> None:
    tensors = load_file(broken / "model.safetensors")
    for kind in ("weight", "bias"):
        tensors[f"classifier.{kind}"] = tensors[f"classifier.{kind}"] * 1e5
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    edit_config(broken, id2label={"0": "price"}, problem_type="regression", num_labels=1)
    for kind in ("weight", "bias"):
        tensors[f"classifier.{kind}"] = tensors[f"classifier.{kind}"][:1].clone()
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    report = export(broken, tmp_path / "out", precisions=["fp32"]).parity
    assert report.max_logit_difference is not None
    assert report.max_logit_difference > 1e-4, "the case is one"
    assert report.logit_rounding is not None
    verify(tmp_path / "out")


def edit_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    config = {name: value for name, value in json.loads(path.read_text()).items() if name != "label2id"}
    path.write_text(json.dumps({**config, **fields}))


def test_a_model_that_fails_while_it_runs_is_named(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise IndexError("index out of range in self")

    monkeypatch.setattr("transformers.DistilBertForSequenceClassification.forward", fail)
    with pytest.raises(UnsupportedModelError, match=r"cannot run 'distilbert' .*IndexError: index out of range"):
        export(checkpoint, tmp_path / "out", precisions=["fp32"])
