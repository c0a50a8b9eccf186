"""The settings of sentence-transformers' checkpoints; their vectors are compared in test_real_weights.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Bundle, Encoder
from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.checkpoint.cross_encoder import CrossEncoderSettings
from torchless_export.checkpoint.sentence import SentenceSettings
from torchless_export.errors import CheckpointError, UnsupportedModelError


@pytest.fixture
def settings(minilm_bert: Path, tmp_path: Path) -> Path:
    """The settings of all-MiniLM-L6-v2 without its weights, to be changed."""
    ignore = shutil.ignore_patterns("*.safetensors", "*.txt", "tokenizer.json")
    return Path(shutil.copytree(minilm_bert, tmp_path / "settings", ignore=ignore))


@pytest.fixture
def change(settings: Path) -> Callable[..., None]:
    def change(file: str, **fields: Any) -> None:
        content = json.loads((settings / file).read_text()) if (settings / file).is_file() else {}
        (settings / file).write_text(json.dumps({**content, **fields}))

    return change


def modules(settings: Path, *kinds: str) -> None:
    paths = {"Transformer": "", "Pooling": "1_Pooling"}
    listed = [
        {
            "idx": index,
            "name": str(index),
            "path": paths.get(kind, kind),
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, kind in enumerate(kinds)
    ]
    (settings / "modules.json").write_text(json.dumps(listed))


def test_settings_become_the_bundle_s_defaults(settings: Path, checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "sentence"))
    for name in ("1_Pooling", "modules.json", "sentence_bert_config.json"):
        copy = shutil.copytree if (settings / name).is_dir() else shutil.copy
        copy(settings / name, folder / name)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    modules(folder, "Transformer", "Pooling")
    export(folder, tmp_path / "out", encoder_only=True, precisions=["fp32"])
    encoder = Encoder.load(tmp_path / "out")
    assert (encoder.manifest.pooling, encoder.manifest.normalize, encoder.manifest.max_tokens) == ("cls", False, 20)
    plain = encoder.embed(["good", "bad"], pooling="cls", normalize=False)
    np.testing.assert_array_equal(encoder.embed(["good", "bad"]), plain)
    export(folder, tmp_path / "head", precisions=["fp32"])  # with a head they are no business of the bundle's
    assert Bundle.open(tmp_path / "head").manifest.max_tokens == 64


def test_a_checkpoint_without_modules_has_no_settings(checkpoint: Path) -> None:
    assert SentenceSettings.read(checkpoint) is None


def test_both_ways_of_naming_the_pooling_are_read(settings: Path) -> None:
    read = SentenceSettings.read(settings)
    assert read is not None
    assert (read.pooling, read.normalize, read.transformer.max_tokens) == ("mean", True, 256)
    (settings / "1_Pooling" / "config.json").write_text('{"embedding_dimension": 384, "pooling_mode": "max"}')
    modules(settings, "Transformer", "Pooling")
    read = SentenceSettings.read(settings)
    assert read is not None
    assert (read.pooling, read.normalize, read.transformer.max_tokens) == ("max", False, 256)


@pytest.mark.parametrize(
    ("file", "fields", "complaint"),
    [
        (
            "1_Pooling/config.json",
            {"pooling_mode_max_tokens": True},
            "expected one pooling mode of cls, mean, max, got mean, max",
        ),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "got lasttoken"),
        ("1_Pooling/config.json", {"pooling_mode": 5}, "expected one pooling mode of cls, mean, max, got 5"),
        ("config_sentence_transformers.json", {"truncate_dim": 8}, "truncate_dim: expected null"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "no default_prompt_name"),
    ],
)
def test_what_embed_does_not_do_is_refused(
    settings: Path, change: Callable[..., None], file: str, fields: dict[str, Any], complaint: str
) -> None:
    change(file, **fields)
    with pytest.raises(UnsupportedModelError, match=complaint):
        SentenceSettings.read(settings)


@pytest.mark.parametrize(("tokenizer", "trained", "longest"), [(20, 60, 60), (20, 100, 64), (int(1e30), 30, 30)])
def test_sentence_transformers_length_counts_whatever_the_tokenizer_s_is(
    old: Path, tmp_path: Path, tokenizer: int, trained: int, longest: int
) -> None:
    inner = old / "0_Transformer"
    (inner / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": trained}))
    path = inner / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": tokenizer}))
    report = export(old, tmp_path / "out", encoder_only=True, precisions=["fp32"])
    assert Encoder.load(tmp_path / "out").manifest.max_tokens == longest == report.parity.longest_tokens


def test_a_default_prompt_is_refused_unless_it_is_empty(settings: Path, change: Callable[..., None]) -> None:
    file = "config_sentence_transformers.json"
    change(file, prompts={"query": "", "document": "passage: "}, default_prompt_name="query")
    assert SentenceSettings.read(settings) is not None
    for name in ("document", "other"):
        change(file, default_prompt_name=name)
        with pytest.raises(UnsupportedModelError, match=f"expected no default_prompt_name, .* got '{name}'"):
            SentenceSettings.read(settings)


def test_settings_stand_in_files_of_several_names(settings: Path, change: Callable[..., None]) -> None:
    (settings / "sentence_bert_config.json").rename(settings / "sentence_xlm-roberta_config.json")
    read = SentenceSettings.read(settings)
    assert read is not None
    assert read.transformer.max_tokens == 256
    change("sentence_roberta_config.json", max_seq_length=None)
    read = SentenceSettings.read(settings)
    assert read is not None
    assert read.transformer.max_tokens is None


def test_the_mean_is_what_sentence_transformers_takes_where_nothing_is_said(settings: Path) -> None:
    (settings / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": false}')
    read = SentenceSettings.read(settings)
    assert read is not None
    assert read.pooling == "mean"


def test_modules_that_follow_the_pooling_are_refused(settings: Path) -> None:
    modules(settings, "Transformer", "Pooling", "Dense", "Normalize")
    with pytest.raises(
        UnsupportedModelError, match=r"expected Transformer, .*, got Transformer, Pooling, Dense, Normalize"
    ):
        SentenceSettings.read(settings)


def test_a_missing_settings_file_is_named(settings: Path) -> None:
    (settings / "1_Pooling" / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"1_Pooling.* has no config\.json"):
        SentenceSettings.read(settings)


@pytest.fixture
def old(checkpoint: Path, tmp_path: Path) -> Path:
    """A folder of sentence-transformers as its first versions wrote it: the transformer in 0_Transformer/."""
    folder = tmp_path / "old"
    shutil.copytree(checkpoint, folder / "0_Transformer")
    (folder / "0_Transformer" / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    kinds = {"Transformer": "0_Transformer", "Pooling": "1_Pooling"}
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for kind, path in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(listed))
    return folder


@pytest.mark.parametrize("part", ["", "0_Transformer"])
def test_the_parts_are_found_from_the_whole_and_from_the_transformer(old: Path, tmp_path: Path, part: str) -> None:
    export(old / part, tmp_path / "out", encoder_only=True, precisions=["fp32"])
    manifest = Encoder.load(tmp_path / "out").manifest
    assert (manifest.pooling, manifest.normalize, manifest.max_tokens) == ("cls", False, 20)
    assert manifest.source.name == "old"


@pytest.mark.parametrize("path", ["../elsewhere", "/elsewhere", 5])
def test_a_part_that_lies_elsewhere_is_refused(old: Path, path: object) -> None:
    listed = [{"path": path, "type": "sentence_transformers.models.Transformer"}]
    (old / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(CheckpointError, match=r"modules\.json, path: expected a folder below"):
        Checkpoint.open(str(old))


def test_another_program_s_modules_json_above_a_checkpoint_is_none(checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "above" / "checkpoint"))
    (tmp_path / "above" / "modules.json").write_text("{")
    assert SentenceSettings.read(folder) is None


def test_a_cross_encoder_s_modules_are_no_settings(old: Path) -> None:
    (old / "config_sentence_transformers.json").write_text('{"model_type": "CrossEncoder"}')
    assert SentenceSettings.read(old) is None


def test_a_module_of_somebody_else_is_not_taken_for_one_of_that_name(settings: Path) -> None:
    modules(settings, "Transformer", "Pooling")
    listed = json.loads((settings / "modules.json").read_text())
    listed[1]["type"] = "my_pooling.Pooling"
    (settings / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(UnsupportedModelError, match=r"got Transformer, my_pooling\.Pooling"):
        SentenceSettings.read(settings)


def test_a_cross_encoder_of_more_than_its_transformer_is_refused(settings: Path) -> None:
    (settings / "config_sentence_transformers.json").write_text(json.dumps({"model_type": "CrossEncoder"}))
    modules(settings, "Transformer")
    assert CrossEncoderSettings.read(settings, {}, 1).activation == "sigmoid"
    modules(settings, "Transformer", "LogitScore")
    with pytest.raises(UnsupportedModelError, match="expected sentence-transformers' Transformer alone"):
        CrossEncoderSettings.read(settings, {}, 1)
