"""The bundle's README.md: a model card that says where it is from, how exact it is and how to run it."""

from __future__ import annotations

from typing import Any

from torchless.manifest import Manifest


def model_card(manifest: Manifest) -> str:
    """Markdown with the YAML header that model hubs read."""
    parts = [_header(manifest), _origin(manifest), _usage(manifest), _parity(manifest.quality["parity"])]
    if "int8" in manifest.quality:
        parts.append(_int8(manifest.quality["int8"], manifest.quality.get("accuracy")))
    parts.append(_files(manifest))
    return "\n".join(parts)


def _header(manifest: Manifest) -> str:
    lines = ["---", f"license: {manifest.source.license}" if manifest.source.license else "", "library_name: torchless"]
    lines += [f"pipeline_tag: {'text-classification' if manifest.labels else 'feature-extraction'}", "---"]
    return "\n".join(filter(None, lines)) + "\n"


def _origin(manifest: Manifest) -> str:
    source = manifest.source
    revision = f", revision `{source.revision}`" if source.revision else ""
    labels = f"Labels: {', '.join(manifest.labels)}. " if manifest.labels else "An encoder without a head. "
    return (
        f"# {source.name}, without torch\n\n"
        f"Exported from `{source.name}`{revision} ({source.architecture}; sha256 of its weights "
        f"`{source.weights_sha256[:16]}…`) by {manifest.created_by}. "
        f"{labels}Texts are read up to {manifest.max_tokens} tokens. "
        f"Licence: {source.license or 'not stated by the source'}.\n"
    )


def _usage(manifest: Manifest) -> str:
    kind, call = ("Classifier", "predict") if manifest.labels else ("Encoder", "embed")
    return f"""## Run it

```sh
pip install torchless
torchless {call} . "I hate this so much"
torchless verify .
```

```python
from torchless import {kind}

{kind}.load(".").{call}(["I hate this so much"])
```
"""


def _parity(parity: dict[str, Any]) -> str:
    logits = parity["max_logit_difference"]
    rows = [("token ids", "equal" if parity["token_ids_equal"] else "DIFFERENT")]
    rows += [("logits, largest difference", f"{logits:.1e}")] if logits is not None else []
    rows += [("hidden states, largest difference", f"{parity['max_hidden_difference']:.1e}")]
    rows += [("embeddings, smallest cosine", f"{parity['min_embedding_cosine']:.7f}")]
    return (
        f"## fp32 against PyTorch\n\n{parity['texts']} texts of {parity['shortest_tokens']} to "
        f"{parity['longest_tokens']} tokens, each alone and in mixed batches ({parity['against']}).\n\n" + _table(rows)
    )


def _int8(int8: dict[str, Any], accuracy: dict[str, Any] | None) -> str:
    rows = [("embeddings, smallest cosine", f"{int8['min_embedding_cosine']:.5f}")]
    if int8["disagreement"] is not None:
        rows = [
            ("labels that differ", f"{int8['disagreement']:.2%}"),
            ("logits, largest difference", f"{int8['max_logit_difference']:.2f}"),
            *rows,
            (
                f"{int8['neighbour_texts']} texts alone against mixed batches",
                f"scores within {int8['neighbour_max_score_difference']:.1e}, "
                f"{int8['neighbour_labels_changed']} labels changed",
            ),
        ]
    if accuracy:
        rows += [(f"accuracy, {engine}", f"{accuracy[engine]:.2%}") for engine in ("torch", "fp32", "int8")]
    return (
        f"## int8 against fp32\n\nStatic scales from {int8['calibration']}; compared on {int8['texts']} texts "
        f"({int8['compared_on']}).\n\n" + _table(rows)
    )


def _files(manifest: Manifest) -> str:
    rows = [(f"`{name}`", f"{record.size_bytes:,} bytes") for name, record in manifest.files.items()]
    return "## Files\n\n" + _table(rows)


def _table(rows: list[tuple[str, str]]) -> str:
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)
