"""The table in docs/architectures.md of all that transformers classifies texts with: what an export makes of each.

    python -m torchless_export.coverage_table docs/architectures.md [--only "bart;xlnet"]

Every architecture of transformers' AutoModelForSequenceClassification that has no family here is made small and random,
and exported. This takes a quarter of an hour.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from torchless.errors import TorchlessError

from .exporting import export
from .families import FAMILIES
from .families.random_checkpoint import RandomCheckpoint
from .page_table import NONE, Cells, Key, PageTable
from .random_checkpoints import make

COLUMNS = ("architecture", "graph", "logits", "why not")
TABLE = PageTable(COLUMNS)
# Small sizes by the names that architectures have for them.
_SIZES: Mapping[int, str] = {
    32: "hidden_size d_model n_embd dim emb_dim embedding_size word_embed_proj_dim",
    64: "intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim d_ff d_inner hidden_dim dff n_inner "
    "ffn_hidden_size moe_intermediate_size max_position_embeddings n_positions max_seq_len "
    "max_encoder_position_embeddings max_decoder_position_embeddings",
    2: "num_hidden_layers num_layers n_layer n_layers encoder_layers decoder_layers num_decoder_layers "
    "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads num_key_value_heads "
    "num_kv_heads num_experts_per_tok",
    16: "head_dim d_kv d_head rotary_dim",
    8: "attention_window",
    4: "num_experts num_local_experts n_routed_experts",
}
_SMALL = {name: size for size, names in _SIZES.items() for name in names.split()}
_OWN: Mapping[str, Mapping[str, Any]] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "mobilebert": {"intra_bottleneck_size": 32},
    "xmod": {"default_language": "en_XX"},
    "luke": {"entity_vocab_size": 16, "entity_emb_size": 32},
    "reformer": {"axial_pos_embds": False, "attn_layers": ["local", "local"], "is_decoder": False},
}
_MOST_PARAMETERS = 50_000_000  # of a model whose sizes have other names still
_LONGEST_REASON = 150


def what_happens(architecture: str) -> Cells:
    """The row of one architecture."""
    if architecture in FAMILIES:
        return {"graph": "packed"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            checkpoint = make(_random(architecture), folder / "checkpoint")
        except Exception as error:  # transformers raises errors of any class, of packages that are missing too
            return {"graph": "not tried", "why not": _short(error, folder)}
        try:
            report = export(checkpoint, folder / "bundle", precisions=["fp32"])
        except TorchlessError as error:
            return {"graph": "refused", "why not": _short(error, folder)}
    return {"graph": "optimum", "logits": f"{report.parity.max_logit_difference:.1e}"}


def _random(architecture: str) -> RandomCheckpoint:
    """A small one of an architecture that nothing is known of but the names of its settings.

    Raises:
        ValueError: it would not be small.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    default = AutoConfig.for_model(architecture)
    settings = {name: size for name, size in _SMALL.items() if name in default.to_dict()}
    settings |= _OWN.get(architecture, {})
    if default.is_encoder_decoder:
        settings["decoder_start_token_id"] = 0
    with torch.device("meta"):
        config = AutoConfig.for_model(architecture, **settings, vocab_size=200, pad_token_id=0)
        model = AutoModelForSequenceClassification.from_config(config)
    size = sum(parameter.numel() for parameter in model.parameters())
    if size > _MOST_PARAMETERS:
        raise ValueError(f"a small one has {size / 1e6:.0f} million parameters")
    return RandomCheckpoint(architecture, settings=settings)


def _short(error: Exception, folder: Path) -> str:
    text = " ".join(
        str(error).replace(f"{folder}/checkpoint: ", "").replace(f"{folder}/checkpoint/", "").replace("|", "/").split()
    )
    sentence = text.partition(". ")[0].rstrip(".")
    return sentence if len(sentence) <= _LONGEST_REASON else f"{sentence[:_LONGEST_REASON].rpartition(' ')[0]} …"


def row_of(architecture: str) -> tuple[Key, Cells]:
    """The whole row of one architecture: nothing of the old one stays."""
    return (architecture,), {**dict.fromkeys(COLUMNS[1:], NONE), **what_happens(architecture)}


def known() -> Collection[str]:
    """All architectures that transformers classifies texts with."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as KNOWN

    return list(KNOWN)


def main(arguments: Sequence[str] | None = None) -> None:
    """Try every architecture, and rewrite the table."""
    TABLE.rewrite(known, row_of, "python -m torchless_export.coverage_table", __doc__, arguments)


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # transformers about settings that it does not know
    main()
