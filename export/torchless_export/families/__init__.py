"""One small file an architecture: which weight is which. Parity is the judge of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors

from . import bert, distilbert, electra, roberta

Family = Callable[[Mapping[str, Any], Tensors, bool], EncoderSpec]

# config.json's model_type: (config, tensors, with the head?) -> spec
FAMILIES: dict[str, Family] = {
    "bert": bert.read,
    "camembert": roberta.read,
    "distilbert": distilbert.read,
    "electra": electra.read,
    "roberta": roberta.read,
    "xlm-roberta": roberta.read,
}
