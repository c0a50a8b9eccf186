"""Transformer text classifiers without PyTorch, with numpy, onnxruntime and tokenizers alone.

    >>> from torchless import Classifier
    >>> classifier = Classifier.load("models/sst2-mini")
    >>> classifier.predict(["I hate this so much"])[0].label
    'NEGATIVE'

Importing this package is cheap: numpy and onnxruntime are imported when a model is loaded. It turns off onnxruntime's
telemetry for this process, unless ORT_DISABLE_TELEMETRY says otherwise or onnxruntime was imported before.
"""

import sys as _sys

from . import telemetry as _telemetry
from .lazy import Lazy as _Lazy

__version__ = "0.1.0"

# Where classes were that people have pickled.
for _old, _new in {
    "arguments": "inputs.arguments",
    "manifest": "bundle.manifest",
    "ranking": "answers.ranking",
    "tokens": "inputs.tokens",
    "windows": "inputs.windows",
}.items():
    _sys.modules[f"{__name__}.{_old}"] = _Lazy(f"{__name__}.{_new}")  # type: ignore[assignment]

_telemetry.turn_off_onnxruntime()

TYPE_CHECKING = False  # importing it from typing would cost five times what this package does
if TYPE_CHECKING:
    from . import errors as errors
    from .answers.documents import Ranked
    from .answers.ranking import Prediction
    from .bundle.bundle import Bundle
    from .bundle.manifest import Manifest
    from .classifier import Classifier
    from .encoder import Encoder
    from .errors import TorchlessError
    from .inputs.arguments import TextPair
    from .inputs.windows import Windows
    from .reranker import Reranker
    from .shipping.verify import verify
    from .token_classifier import TokenClassifier
    from .zero_shot import ZeroShotClassifier
else:
    _HOME = {
        "Bundle": "bundle.bundle",
        "Classifier": "classifier",
        "Encoder": "encoder",
        "Manifest": "bundle.manifest",
        "Prediction": "answers.ranking",
        "Ranked": "answers.documents",
        "Reranker": "reranker",
        "TextPair": "inputs.arguments",
        "TokenClassifier": "token_classifier",
        "TorchlessError": "errors",
        "Windows": "inputs.windows",
        "ZeroShotClassifier": "zero_shot",
        "verify": "shipping.verify",
    }

    def __getattr__(name):
        from importlib import import_module

        if name == "errors":  # `torchless.errors.InputError` after a plain `import torchless`
            return import_module(f"{__name__}.errors")
        if name not in _HOME:
            raise AttributeError(f"module 'torchless' has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted([*globals(), *_HOME])


__all__ = [
    "Bundle",
    "Classifier",
    "Encoder",
    "Manifest",
    "Prediction",
    "Ranked",
    "Reranker",
    "TextPair",
    "TokenClassifier",
    "TorchlessError",
    "Windows",
    "ZeroShotClassifier",
    "verify",
]
