"""The bundle's README.md: a model card that says where it is from, how exact it is and how to run it."""

from __future__ import annotations

import json
from typing import Any

from torchless.bundle.manifest import Activation, GraphKind, Manifest
from torchless.zero_shot import entailment_index

_TEXT = "I hate this so much"
_QUERY, _DOCUMENTS = "Who plays the guitar?", ("A man plays a guitar", "Someone makes music")
_TAGGED_TEXT = "Ada Lovelace was born in London"
_TASKS: dict[GraphKind, str] = {
    "classifier": "text-classification",
    "token_classifier": "token-classification",
    "encoder": "feature-extraction",
}
_LOADERS: dict[GraphKind, str] = {
    "classifier": "Classifier",
    "token_classifier": "TokenClassifier",
    "encoder": "Encoder",
}
_SCORES: dict[Activation, str] = {
    "softmax": "The scores of a text sum to 1 (softmax).",
    "sigmoid": "Each label has a score of its own (sigmoid).",
    "none": "A score is the model's own number.",
}


def model_card(manifest: Manifest) -> str:
    """Markdown with the YAML header that model hubs read."""
    parts = [_header(manifest), _origin(manifest), _usage(manifest), _parity(manifest.quality["parity"])]
    kind, quality = manifest.kind, manifest.quality
    parts += [_compared(name, quality[name], kind) for name in ("fp16", "int8") if name in quality]
    if "accuracy" in quality:
        parts.append(_accuracy(quality["accuracy"], kind))
    parts.append(_files(manifest))
    return "\n".join(parts)


def _header(manifest: Manifest) -> str:
    lines = [
        "---",
        f"license: {json.dumps(manifest.source.license)}" if manifest.source.license else "",
        "library_name: torchless",
    ]
    task = "text-ranking" if manifest.ranks else _TASKS[manifest.kind]
    lines += [f"pipeline_tag: {task}", "---"]
    return "\n".join(filter(None, lines)) + "\n"


def _origin(manifest: Manifest) -> str:
    source = manifest.source
    revision = f", revision `{source.revision}`" if source.revision else ""
    what = f"An encoder without a head. {_vectors(manifest)} "
    if manifest.kind == "classifier":
        what = f"Labels: {', '.join(manifest.labels)}. {_SCORES[manifest.activation]} "
    elif manifest.kind == "token_classifier":
        what = f"A tagger: it labels the tokens of a text. Tags: {', '.join(manifest.labels)}. "
    if manifest.ranks:
        what += f"It ranks documents by a query{_ranking_scores(manifest)}. "
    texts = "Texts, and pairs of texts," if manifest.pairs else "Texts"
    return (
        f"# {source.name}, without torch\n\n"
        f"Exported from `{source.name}`{revision} ({source.architecture}; sha256 of its weights "
        f"`{source.weights_sha256[:16]}…`) by {manifest.created_by}. "
        f"{what}{texts} are read up to {manifest.max_tokens} tokens. "
        f"Licence: {source.license or 'not stated by the source'}.\n"
    )


def _ranking_scores(manifest: Manifest) -> str:
    """What differs between the scores of ranking and those of classifying."""
    how = {"softmax": "a softmax", "sigmoid": "a sigmoid, from 0 to 1", "none": "the model's own numbers"}
    return f"; scores are then {how[manifest.reranker_activation]}" if manifest.reranker_activation else ""


def _vectors(manifest: Manifest) -> str:
    pooled = {
        "cls": "The first token's state",
        "mean": "The mean of its tokens' states",
        "max": "Their states' maximum",
    }
    return f"{pooled[manifest.pooling]} is a text's vector{', scaled to length 1' if manifest.normalize else ''}."


def _usage(manifest: Manifest) -> str:
    kind = _LOADERS[manifest.kind]
    shell, call = _call(manifest)
    text = _TAGGED_TEXT if manifest.kind == "token_classifier" else _TEXT
    commands = [f'torchless {shell[0]} . "{text}"{shell[1]}']
    calls = [f'model.{call[0]}(["{text}"]{call[1]})']
    names = [kind]
    if manifest.pairs:
        commands.append(f'torchless {shell[0]} . "A man plays a guitar" --pair "Someone makes music"{shell[1]}')
        calls.append(f'model.{call[0]}([TextPair("A man plays a guitar", "Someone makes music")]{call[1]})')
        names.append("TextPair")
    if manifest.ranks:
        commands.append(f'torchless rank . "{_QUERY}" "{_DOCUMENTS[0]}" "{_DOCUMENTS[1]}"')
        calls.append(f'Reranker(model).rank("{_QUERY}", ["{_DOCUMENTS[0]}", "{_DOCUMENTS[1]}"])')
        names.append("Reranker")
    if manifest.pairs and entailment_index(manifest.labels) is not None:
        commands.append(f'torchless predict . "{_TEXT}" --candidate-labels "complaint,praise"')
        calls.append(f'ZeroShotClassifier(model).rank(["{_TEXT}"], ["complaint", "praise"])')
        names.append("ZeroShotClassifier")
    python = [f"from torchless import {', '.join(sorted(names))}", "", f'model = {kind}.load(".")', *calls]
    shell_lines = ["pip install torchless", *commands, "torchless verify ."]
    return "## Run it\n\n" + _block("sh", shell_lines) + "\n" + _block("python", python)


def _call(manifest: Manifest) -> tuple[tuple[str, str], tuple[str, str]]:
    """The command and its options, the method and its arguments."""
    if manifest.kind == "encoder":
        return ("embed", ""), ("embed", "")
    if manifest.kind == "token_classifier":
        return ("tag", ""), ("tag", "")
    if manifest.activation == "sigmoid" and len(manifest.labels) > 1:
        return ("predict", " --threshold 0.5"), ("rank", ", threshold=0.5")
    return ("predict", ""), ("predict", "")


def _block(language: str, lines: list[str]) -> str:
    return f"```{language}\n" + "\n".join(lines) + "\n```\n"


def _parity(parity: dict[str, Any]) -> str:
    logits = parity["max_logit_difference"]
    rows = [("token ids", "equal" if parity["token_ids_equal"] else "DIFFERENT")]
    rows += [("logits, largest difference", f"{logits:.1e}")] if logits is not None else []
    rows += [("hidden states, largest difference", f"{parity['max_hidden_difference']:.1e}")]
    rows += [("embeddings, smallest cosine", f"{parity['min_embedding_cosine']:.7f}")]
    pairs = f" ({parity['pairs']} of them pairs)" if parity["pairs"] else ""
    return (
        f"## fp32 against PyTorch\n\n{parity['texts']} texts{pairs} of {parity['shortest_tokens']} to "
        f"{parity['longest_tokens']} tokens, each alone and in mixed batches ({parity['against']}).\n\n" + _table(rows)
    )


def _compared(precision: str, report: dict[str, Any], kind: GraphKind) -> str:
    left_out = f"**{precision} is not in this bundle**: {report['left_out']}.\n\n" if "left_out" in report else ""
    if "texts" not in report:  # its graphs could not be written or run
        return f"## {precision}\n\n{left_out}"
    rows, tagger = [], kind == "token_classifier"
    if report["disagreement"] is not None:
        what = "tokens with other tags" if tagger else "texts with other labels"
        rows += [(what, f"{report['disagreement']:.2%}" + (f" of {report['tokens']}" if tagger else ""))]
    if tagger:
        share = f"{report['entity_disagreement']:.2%} of {report['entities']}"
        rows += [("entities that one of the two alone finds", share)]
    if report["score_error"] is not None:
        rows += [("scores, typical difference", f"{report['score_error']:.2%} of their spread")]
    if report["max_logit_difference"] is not None:
        rows += [("logits, largest difference", f"{report['max_logit_difference']:.2g}")]
    rows += [("embeddings, smallest cosine", f"{report['min_embedding_cosine']:.5f}")]
    if report["neighbour_max_score_difference"] is not None:
        changed = report["neighbour_labels_changed"]
        labels = "" if changed is None else f", {changed} {'tokens changed tags' if tagger else 'texts changed labels'}"
        moved = f"scores within {report['neighbour_max_score_difference']:.1e}{labels}"
        rows += [(f"{report['neighbour_texts']} texts alone against mixed batches", moved)]
    scales = f"Static scales from {report['calibration']}; c" if report["calibration"] else "C"
    return (
        f"## {precision} against fp32\n\n{left_out}{scales}ompared on {report['texts']} texts "
        f"({report['compared_on']}).\n\n{_table(rows)}"
    )


def _accuracy(accuracy: dict[str, Any], kind: GraphKind) -> str:
    rows = [
        (name, f"{accuracy[key]:.2%}")
        for name, key in (("PyTorch", "torch"), ("fp32", "fp32"), ("fp16", "fp16"), ("int8", "int8"))
        if accuracy[key] is not None
    ]
    if kind == "token_classifier":
        return (
            f"## Entity F1\n\nOn {accuracy['texts']} texts with {accuracy['entities']} entities ({accuracy['file']}), "
            "micro-averaged; an entity is right with its exact beginning, end and type, as seqeval has it.\n\n"
        ) + _table(rows)
    return f"## Accuracy\n\nOn {accuracy['texts']} labelled texts ({accuracy['file']}).\n\n" + _table(rows)


def _files(manifest: Manifest) -> str:
    rows = [(f"`{name}`", f"{record.size_bytes:,} bytes") for name, record in manifest.files.items()]
    return "## Files\n\n" + _table(rows)


def _table(rows: list[tuple[str, str]]) -> str:
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)
