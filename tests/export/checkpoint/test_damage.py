"""Checkpoints that are damaged, or not what their names say, are refused by file and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from torchless.cli import main
from torchless_export.checkpoint import Checkpoint
from torchless_export.checkpoint.weight_files import read_weights, weight_files
from torchless_export.errors import CheckpointError, UnsupportedModelError

Configure = Callable[..., None]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"problem_type": "regresion"}, "problem_type: expected one of regression, single_label_classification"),
        ({"dim": "32"}, "dim: expected a whole number above 0, got '32'"),
        ({"n_layers": 1.5}, "n_layers: expected a whole number above 0, got 1.5"),
        ({"n_heads": 0}, "n_heads: expected a whole number above 0, got 0"),
        ({"n_heads": 5}, "n_heads: expected a divisor of dim, which is 32, got 5"),
        ({"vocab_size": True}, "vocab_size: expected a whole number above 0, got True"),
        ({"pad_token_id": -1}, "pad_token_id: expected a whole number from 0 on, got -1"),
        ({"model_type": ["bert"]}, r"model_type: expected a string, got \['bert'\]"),
        ({"model_type": None, "architectures": None}, "model_type: expected a string, got nothing"),
        ({"model_type": None, "architectures": ["Mine"]}, "model_type: expected a string, got nothing"),
        ({"architectures": "BertModel"}, "architectures: expected a list of class names, got 'BertModel'"),
        ({"auto_map": "code.py"}, "auto_map: expected an object, got 'code.py'"),
        ({"sentence_transformers": 5}, "sentence_transformers: expected an object, got 5"),
        ({"id2label": 1.5}, "id2label: expected an object, got 1.5"),
        ({"id2label": ["a", "b"]}, "id2label: expected an object, got \\['a', 'b'\\]"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(
    broken: Path, configure: Configure, changes: dict[str, Any], complaint: str
) -> None:
    configure(**changes)
    with pytest.raises(CheckpointError, match=rf"config\.json, {complaint}"):
        Checkpoint.open(str(broken))


def test_a_value_of_any_length_is_shown_in_part(broken: Path, configure: Configure) -> None:
    configure(problem_type="x" * 1_000_000)
    with pytest.raises(CheckpointError, match=r"problem_type: expected one of .*, got 'xxx") as caught:
        Checkpoint.open(str(broken))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", ["[]", "null", '"bert"', "[" * 100_000, "\x00", '{"id2label": {"0": "\\ud800"}}'])
def test_a_config_that_is_no_object_is_named(broken: Path, content: str) -> None:
    (broken / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json: (expected an object|not JSON)"):
        Checkpoint.open(str(broken))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_where_a_file_should_be_is_named(broken: Path, name: str) -> None:
    (broken / name).unlink()
    (broken / name).mkdir()
    with pytest.raises(CheckpointError, match=name):
        Checkpoint.open(str(broken))


def test_quantised_weights_are_refused(broken: Path, configure: Configure) -> None:
    configure(quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    with pytest.raises(UnsupportedModelError, match="quantization_config: expected weights that are not quantised"):
        Checkpoint.open(str(broken))


def pickled(folder: Path, content: object) -> Path:
    torch.save(content, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_what_a_pickle_holds_beside_tensors_is_left_out(broken: Path) -> None:
    tensors = load_file(broken / "model.safetensors")
    expected = read_weights(broken)
    trained = {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()}
    pickled(broken, {**trained, "config": {"hidden_size": 32, "layers": [1, 2]}, "epoch": 3})
    assert read_weights(broken).keys() == expected.keys()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"state_dict": {"a": torch.zeros(1)}, "epoch": 3}, "got mappings under 'state_dict'"),
        ([torch.zeros(1)], "got list"),
        ({}, "got dict"),
        ({"a": torch.zeros(1, dtype=torch.complex64)}, r"pytorch_model\.bin, a: .* got torch\.complex64"),
        ({"a": torch.zeros(2, 2).to_sparse()}, r"pytorch_model\.bin, a: expected numbers that float32 holds"),
    ],
)
def test_a_pickle_without_usable_tensors_is_named(broken: Path, content: object, complaint: str) -> None:
    pickled(broken, content)
    with pytest.raises(CheckpointError, match=complaint):
        read_weights(broken)


@pytest.mark.parametrize("kept", [0, 1, 100, 5000])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_cut_short_are_named(broken: Path, name: str, kept: int) -> None:
    if name.endswith(".bin"):
        pickled(broken, load_file(broken / "model.safetensors"))
    (broken / name).write_bytes((broken / name).read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=name):
        read_weights(broken)


@pytest.mark.parametrize(
    ("prefix", "advice"), [("module", "DataParallel .*model.module.save"), ("_orig_mod", "torch.compile")]
)
def test_tensors_saved_from_a_wrapper_are_named(broken: Path, prefix: str, advice: str) -> None:
    pickled(broken, {f"{prefix}.{name}": tensor for name, tensor in load_file(broken / "model.safetensors").items()})
    with pytest.raises(CheckpointError, match=f"begins with '{prefix}', as {advice}"):
        read_weights(broken)


def test_a_folder_of_checkpoints_names_them(broken: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    broken.rename(run / "checkpoint-500")
    with pytest.raises(CheckpointError, match=r"no config\.json\. Name one of the checkpoints in it: checkpoint-500\."):
        Checkpoint.open(str(run))


def test_a_pointer_of_git_lfs_is_no_weights(broken: Path) -> None:
    (broken / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: a pointer of Git LFS.*git lfs pull"):
        Checkpoint.open(str(broken))


def test_weights_of_another_framework_are_named(broken: Path) -> None:
    (broken / "model.safetensors").rename(broken / "tf_model.h5")
    with pytest.raises(CheckpointError, match=r"no weights; .* tf_model\.h5 is not PyTorch's"):
        weight_files(broken)


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": []}, {"weight_map": {"a": "../x"}}])
def test_an_index_that_names_no_shards_is_named(broken: Path, index: dict[str, Any]) -> None:
    (broken / "model.safetensors").unlink()
    (broken / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"index\.json, weight_map: expected a file of this folder"):
        weight_files(broken)


def test_what_only_transformers_refuses_is_no_traceback(
    broken: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("a setting that this version does not know")

    monkeypatch.setattr("transformers.AutoModelForSequenceClassification.from_pretrained", refuse)
    assert main(["export", str(broken), str(tmp_path / "out"), "--precision", "fp32"]) == 1
    assert "transformers cannot run 'distilbert' as a text classifier" in capsys.readouterr().err
