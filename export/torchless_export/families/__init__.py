"""One small file an architecture: which weight is which. Parity is the judge of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors

from . import albert, bert, deberta, distilbert, electra, modernbert, mpnet, roberta

Family = Callable[[Mapping[str, Any], Tensors, bool], EncoderSpec]

# config.json's model_type: (config, tensors, with the head?) -> spec
FAMILIES: dict[str, Family] = {
    "albert": albert.read,
    "bert": bert.read,
    "camembert": roberta.read,
    "deberta": deberta.read_v1,
    "deberta-v2": deberta.read_v2,  # and v3
    "distilbert": distilbert.read,
    "electra": electra.read,
    "modernbert": modernbert.read,
    "mpnet": mpnet.read,
    "roberta": roberta.read,
    "xlm-roberta": roberta.read,
}
