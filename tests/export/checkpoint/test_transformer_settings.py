"""What sentence-transformers writes beside a transformer: it changes where texts are cut, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import normalizers
from transformers import AutoTokenizer

from torchless_export.checkpoint.transformer_settings import TransformerSettings
from torchless_export.errors import CheckpointError, UnsupportedModelError

FILE = "sentence_bert_config.json"
POSITIONS = {"max_position_embeddings": 48}


def read(folder: Path, **fields: Any) -> TransformerSettings:
    (folder / FILE).write_text(json.dumps(fields))
    return TransformerSettings.read(folder)


@pytest.fixture
def tokenizer(checkpoint: Path) -> Any:
    return AutoTokenizer.from_pretrained(checkpoint, model_max_length=100)


@pytest.mark.parametrize("limit", ["128", 64.5, True, 0, -3, 2])
def test_a_length_that_is_none_is_named(tmp_path: Path, limit: object) -> None:
    with pytest.raises(CheckpointError, match=f"{FILE}, max_seq_length: expected a whole number of 4"):
        _ = read(tmp_path, max_seq_length=limit).max_tokens


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({"max_seq_length": 20}, 20),
        ({"max_seq_length": 20, "processor_kwargs": {"model_max_length": 30}}, 30),
        ({"tokenizer_args": {"model_max_length": 30, "trust_remote_code": True}}, 30),
        ({"max_seq_length": None}, 48),  # what model or tokenizer hold, whichever is less
        ({"model_args": {"attn_implementation": "sdpa"}, "processing_kwargs": {}}, 48),
        ({"model_args": {"add_pooling_layer": False, "revision": "main"}, "config_args": {"cache_dir": "/c"}}, 48),
        ({"tokenizer_args": {"use_fast": True, "padding_side": "right"}}, 48),
        ({"processing_kwargs": {"text": {}, "chat_template": {"tokenize": True}}}, 48),
        (
            {
                "transformer_task": "feature-extraction",
                "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
                "module_output_name": "token_embeddings",
                "unpad_inputs": None,
            },
            48,
        ),
    ],
)
def test_texts_are_cut_where_sentence_transformers_cuts_them(
    tmp_path: Path, tokenizer: Any, fields: dict[str, Any], length: int
) -> None:
    assert read(tmp_path, **fields).trained_length(POSITIONS, tokenizer) == length


def test_a_tokenizer_without_an_end_ends_with_the_model(tmp_path: Path, tokenizer: Any) -> None:
    tokenizer.model_max_length = float("inf")
    assert read(tmp_path).trained_length(POSITIONS, tokenizer) == 48


def test_without_a_table_of_positions_only_the_tokenizer_s_length_counts(tmp_path: Path, tokenizer: Any) -> None:
    assert read(tmp_path).trained_length({}, tokenizer) is None


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"processing_kwargs": {"text": {"max_length": 16}}}, "processing_kwargs: expected no fields .*, got text"),
        ({"processor_kwargs": {"padding_side": "left"}}, "processor_kwargs: expected no fields .*, got padding_side"),
        ({"config_args": {"hidden_act": "relu"}}, "config_args: expected no fields .*, got hidden_act"),
        ({"tokenizer_name_or_path": "other"}, "tokenizer_name_or_path: expected the tokenizer beside the model"),
        ({"tokenizer_args": {"use_fast": False}}, "tokenizer_args: expected no fields .*, got use_fast"),
        ({"transformer_task": "fill-mask"}, "transformer_task: expected one of feature-extraction"),
        ({"module_output_name": "sentence_embedding"}, "module_output_name: expected one of token_embeddings"),
        (
            {"modality_config": {"text": {"method": "forward", "method_output_name": ["hidden_states", -2]}}},
            "modality_config: expected text alone, and of it last_hidden_state",
        ),
        (
            {"modality_config": {"message": {"method": "forward", "method_output_name": "last_hidden_state"}}},
            "modality_config: expected text alone",
        ),
        ({"query_prefix": "query: "}, "query_prefix: expected no such field, which nothing here reads, got 'query: '"),
    ],
)
def test_what_changes_how_texts_are_read_is_refused_by_its_name(
    tmp_path: Path, tokenizer: Any, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=complaint):
        read(tmp_path, **fields).trained_length(POSITIONS, tokenizer)


def test_a_section_that_is_no_object_is_named(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(CheckpointError, match="processor_kwargs: expected an object, got 5"):
        read(tmp_path, processor_kwargs=5).trained_length(POSITIONS, tokenizer)


def test_lower_case_is_the_tokenizer_s_to_make(tmp_path: Path, tokenizer: Any) -> None:
    settings = read(tmp_path, do_lower_case=True, max_seq_length=20)
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    assert settings.trained_length(POSITIONS, tokenizer) == 20
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    with pytest.raises(UnsupportedModelError, match=r"do_lower_case: expected false, .* got true"):
        settings.trained_length(POSITIONS, tokenizer)
