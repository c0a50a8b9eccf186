"""config.json, checked: the fields that every architecture has are what they should be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchless.bundle.manifest import GraphKind
from torchless.errors import shortened, shown
from torchless_export.errors import CheckpointError, UnsupportedModelError

from .files import is_there
from .json_files import read_json

_SIZES = (
    *("hidden_size", "dim", "d_model", "intermediate_size", "hidden_dim", "embedding_size"),
    *("num_hidden_layers", "n_layers", "num_attention_heads", "n_heads", "num_hidden_groups", "inner_group_num"),
    *("vocab_size", "max_position_embeddings", "num_labels"),
)
_NUMBERS = ("layer_norm_eps", "norm_eps", "global_rope_theta", "local_rope_theta")
_MOST_LABELS = 1_000_000
_COUNTS = ("pad_token_id", "type_vocab_size")  # 0 is one too
_PROBLEMS = ("regression", "single_label_classification", "multi_label_classification")
_OTHER_HEADS = re.compile(
    r"For(QuestionAnswering\w*|MaskedLM|MultipleChoice|NextSentencePrediction|PreTraining|CausalLM"
    r"|ConditionalGeneration|\w*ImageClassification|\w*AudioClassification)$|LMHead|DoubleHeads"
)


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of a checkpoint's config.json; a model_type that it lacks is that of its class.

    Raises:
        CheckpointError: there is none, or a field has a value that it cannot have; the message names it.
        UnsupportedModelError: the weights are quantised.
    """
    path = folder / "config.json"
    if not is_there(path):
        _refuse_parent(folder)
    config = read_json(path)
    _check(path, config, "architectures", _is_list_of_texts, "a list of class names")
    if config.get("model_type") is None:
        config["model_type"] = _type_of_class(config)
    _require_text(path, config, "model_type")
    for field in _SIZES:
        _check(path, config, field, lambda value: _whole(value) and value > 0, "a whole number above 0")
    _check(path, config, "num_labels", lambda value: value <= _MOST_LABELS, f"at most {_MOST_LABELS:,}")
    for field in _COUNTS:
        _check(path, config, field, lambda value: _whole(value) and value >= 0, "a whole number from 0 on")
    for field in _NUMBERS:
        _check(path, config, field, lambda value: _whole(value) or isinstance(value, float), "a number")
    _check(path, config, "problem_type", lambda value: value in _PROBLEMS, f"one of {', '.join(_PROBLEMS)}")
    for field in ("auto_map", "sentence_transformers", "id2label"):
        _check(path, config, field, lambda value: isinstance(value, Mapping), "an object")
    _check_heads(path, config)
    if config.get("num_labels", 0) is None and not config.get("id2label"):  # transformers 5 fails on it
        raise CheckpointError(f"{path}, num_labels: expected a whole number above 0, got null. Remove the field.")
    if config.get("quantization_config"):
        raise UnsupportedModelError(
            f"{path}, quantization_config: expected weights that are not quantised. Export the model that they were "
            "made from; Torchless makes int8 itself."
        )
    return config


def _refuse_parent(folder: Path) -> None:
    """Refuse a folder of checkpoints, as transformers' Trainer fills it, and name them."""
    files = [path for kind in ("safetensors", "bin") for path in folder.glob(f"*/*.{kind}")]
    inside = sorted({path.parent.name for path in files if (path.parent / "config.json").is_file()})
    if inside:
        raise CheckpointError(
            f"no checkpoint at {folder}: the folder has no config.json. Name one of the checkpoints in it: "
            f"{', '.join(inside[:5])}{', …' if len(inside) > 5 else ''}."
        )


def head_of(folder: Path, config: Mapping[str, Any]) -> GraphKind:
    """What a model's head classifies: whole texts, also where nothing is said of it, or tokens.

    Raises:
        UnsupportedModelError: config.json names a class with a head for something else, and none for these, or no class
            that says what its labels of tokens are answered for.
    """
    named = config.get("architectures") or []
    if any("SequenceClassification" in name for name in named):
        return "classifier"
    if any(name.endswith("ForTokenClassification") for name in named):
        return "token_classifier"
    if others := [name for name in named if _OTHER_HEADS.search(name)]:
        raise UnsupportedModelError(
            f"{folder / 'config.json'}, architectures: expected a class for whole texts (…ForSequenceClassification) "
            f"or tokens (…ForTokenClassification), got {shortened(others[0], 80)}, whose head answers something else. "
            "Fine-tune the model for one of the two first, or export the body alone with --encoder-only."
        )
    if _are_tags(config.get("id2label") or {}):
        raise UnsupportedModelError(
            f"{folder / 'config.json'}, architectures: expected a class of transformers with a head, because the "
            f"labels are those of a token classifier, got {shortened(', '.join(named), 80) or 'none'}. Name "
            "the class that the checkpoint was trained as, such as BertForTokenClassification; what another class adds "
            "to it (a CRF) is left out then."
        )
    return "classifier"


def foreign_class(config: Mapping[str, Any]) -> str | None:
    """The class that config.json names, where transformers has none of that name; None where it has, or none is named.

    A class that TensorFlow or JAX saved counts as PyTorch's.
    """
    named: list[str] = config.get("architectures") or []
    return None if any(map(_class_of, named)) else next(iter(named), None)


def _type_of_class(config: Mapping[str, Any]) -> str | None:
    """The model_type of the class that config.json names; None where transformers has none of that name."""
    kinds = (getattr(_class_of(name), "config_class", None) for name in config.get("architectures") or [])
    types = {kind.model_type for kind in kinds if kind is not None}
    return types.pop() if len(types) == 1 else None


def _class_of(name: str) -> Any:
    """PyTorch's class of a name; None where there is none."""
    import transformers

    return getattr(transformers, name.removeprefix("TF").removeprefix("Flax"), None)


def refuse_setfit(folder: Path) -> None:
    """Refuse the head of a SetFit model, which is no part of its transformer.

    Raises:
        UnsupportedModelError: the folder has one.
    """
    found = [name for name in ("config_setfit.json", "model_head.pkl") if is_there(folder / name)]
    if found:
        raise UnsupportedModelError(
            f"{folder / found[0]}: expected a head in the model itself, got SetFit's, which is model_head.pkl, a "
            "pickle that may run any code and that Torchless does not read. --encoder-only exports the body; load the "
            "head with joblib, and give it the vectors that Encoder.embed answers."
        )


def _are_tags(names: Mapping[str, Any]) -> bool:
    """Whether labels mark where entities begin and go on (IOB, Ramshaw and Marcus 1995)."""
    labels = [str(name) for name in names.values()]
    return "O" in labels and any(label.startswith("I-") for label in labels)


def _require_text(path: Path, config: Mapping[str, Any], field: str) -> None:
    value = config.get(field)
    if not isinstance(value, str):
        got = "nothing" if value is None else shown(value)
        raise CheckpointError(f"{path}, {field}: expected a string, got {got}.")


def _check(path: Path, config: Mapping[str, Any], field: str, fits: Any, expected: str) -> None:
    """Refuse a field that is there, but not what it should be; null stands for a field that is not there."""
    value = config.get(field)
    if value is not None and not fits(value):
        raise CheckpointError(f"{path}, {field}: expected {expected}, got {shown(value)}.")


def _check_heads(path: Path, config: Mapping[str, Any]) -> None:
    """Every attention head gets an equal share of the hidden size."""
    for size, heads in (("hidden_size", "num_attention_heads"), ("dim", "n_heads")):
        if config.get(size) and config.get(heads) and config[size] % config[heads]:
            raise CheckpointError(
                f"{path}, {heads}: expected a divisor of {size}, which is {shown(config[size])}, got "
                f"{shown(config[heads])}."
            )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
