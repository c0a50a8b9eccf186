"""What someone who exports a checkpoint should know of it before the graphs are written."""

from __future__ import annotations

from collections.abc import Iterator

from torchless.bundle.manifest import GraphKind

from .checkpoint import Checkpoint
from .config import foreign_class
from .own_code import code_from_elsewhere

_HEADS = {"classifier": "texts", "token_classifier": "tokens"}
_SCORES = {
    "softmax": "scores that sum to 1 (softmax)",
    "sigmoid": "a score for each label alone (sigmoid)",
    "none": "logits as scores",
}


def notes(checkpoint: Checkpoint, kind: GraphKind) -> Iterator[str]:
    """One sentence each.

    Args:
        checkpoint: it.
        kind: which head is exported; "encoder" for none.
    """
    if checkpoint.half_precision:
        yield (
            f"the checkpoint is {checkpoint.half_precision}: compared with PyTorch in float32, which has more digits"
        )
    if not checkpoint.names_its_type:
        yield f"config.json has no model_type: it is taken to be {checkpoint.config['model_type']!r}, that of its class"
    if checkpoint.trust_remote_code:
        yield from (f"running the code of {place}" for place in code_from_elsewhere(checkpoint.folder))
    if kind != "encoder":
        yield from _of_head(checkpoint, kind)


def _of_head(checkpoint: Checkpoint, kind: GraphKind) -> Iterator[str]:
    if (name := foreign_class(checkpoint.config)) and not checkpoint.config.get("auto_map"):
        advice = ". Scores of another kind are named by problem_type in config.json" if kind == "classifier" else ""
        yield (
            f"transformers has no {name}: its head is read as transformers' own for {_HEADS[kind]}, with "
            f"{_SCORES[checkpoint.pipeline_activation]}{advice}"
        )
