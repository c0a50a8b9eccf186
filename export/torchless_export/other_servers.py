"""What other servers expect beside a padded graph: the config, how the tokenizer is set up, how vectors are pooled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from torchless.bundle.manifest import Manifest, Precision

from .checkpoint import Checkpoint
from .checkpoint.files import is_there
from .checkpoint.json_files import read_json
from .file_names import CONFIG, POOLING, SPECIAL_TOKENS, TOKENIZER_CONFIG, main_graph

# transformers.js's names of precisions, and which it takes where its user names none: else q8 in a browser, fp32 in
# Node, whether the file is there or not.
_DTYPES: dict[Precision, str] = {"fp32": "fp32", "int8": "q8", "fp16": "fp16"}
_HEADS = re.compile("For(Sequence|Token)Classification$")
_LAYERS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers", "encoder_layers")


def files_for_other_servers(source: Checkpoint, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """Names and contents, once the manifest says which variants there are."""
    yield CONFIG, _json(_config(source, manifest))
    yield TOKENIZER_CONFIG, _json(_tokenizer_config(source, manifest))
    if is_there(source.folder / SPECIAL_TOKENS):
        yield SPECIAL_TOKENS, (source.folder / SPECIAL_TOKENS).read_bytes()
    if not manifest.labels:
        # Text Embeddings Inference reads the mode here, and does not start without it.
        modes = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "max": "pooling_mode_max_tokens"}
        chosen = {name: pooling == manifest.pooling for pooling, name in modes.items()}
        yield POOLING, _json({"word_embedding_dimension": manifest.hidden_size, **chosen})


def _config(source: Checkpoint, manifest: Manifest) -> dict[str, Any]:
    """The checkpoint's config.json, with what its readers need and what they take a graph from."""
    stated = {name: value for name, value in source.config.items() if value is not None}
    layers = next((stated[name] for name in _LAYERS if name in stated), None)
    sizes = {"hidden_size": manifest.hidden_size, **({"num_hidden_layers": layers} if layers else {})}
    labels: dict[str, Any] = {}
    if manifest.labels:
        labels["id2label"] = {str(index): label for index, label in enumerate(manifest.labels)}
        labels["label2id"] = {label: index for index, label in enumerate(manifest.labels)}
    config = {**sizes, **labels, **stated}
    if not manifest.labels:  # a classifier's body is no classifier
        named = config.get("architectures") or []
        config["architectures"] = [_HEADS.sub("Model", name) for name in named]
    given = config.get("transformers.js_config")
    found = [precision for precision in _DTYPES if precision in manifest.variants]
    ours: dict[str, Any] = {"use_external_data_format": {main_graph(precision): True for precision in found}}
    if not {"fp32", "int8"} <= set(found):
        ours["dtype"] = _DTYPES[found[0]]
    return {**config, "transformers.js_config": {**(given if isinstance(given, Mapping) else {}), **ours}}


def _tokenizer_config(source: Checkpoint, manifest: Manifest) -> dict[str, Any]:
    """The checkpoint's own settings; written anew where it has none, or its class is Python code.

    Padding goes to the right: that is what the graphs were compared with PyTorch on, and not every model is indifferent
    to padding before its text.
    """
    path = source.folder / TOKENIZER_CONFIG
    if is_there(path) and source.slow_tokenizer is None:
        settings = read_json(path)
    else:
        tokenizer = source.transformers_tokenizer
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "truncation_side": tokenizer.truncation_side}
        settings |= {"model_input_names": list(tokenizer.model_input_names)}
        settings |= {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    return {**settings, "model_max_length": manifest.max_tokens, "padding_side": "right"}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
