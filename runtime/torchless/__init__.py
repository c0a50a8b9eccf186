"""Transformer text classifiers without PyTorch: numpy, onnxruntime and tokenizers are all there is.

    >>> from torchless import Classifier
    >>> classifier = Classifier.load("models/sst2-mini")
    >>> classifier.predict(["I hate this so much"])[0].label
    'NEGATIVE'

Importing this package costs next to nothing: numpy and onnxruntime come in when something is loaded.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # importing it from typing would cost five times what this package does
if TYPE_CHECKING:
    from . import errors as errors
    from .arguments import TextPair
    from .bundle import Bundle
    from .classifier import Classifier
    from .encoder import Encoder
    from .errors import TorchlessError
    from .golden import verify
    from .manifest import Manifest
    from .ranking import Prediction
    from .windows import Windows
    from .zero_shot import ZeroShotClassifier
else:
    _HOME = {
        "Bundle": "bundle",
        "Classifier": "classifier",
        "Encoder": "encoder",
        "Manifest": "manifest",
        "Prediction": "ranking",
        "TextPair": "arguments",
        "TorchlessError": "errors",
        "Windows": "windows",
        "ZeroShotClassifier": "zero_shot",
        "verify": "golden",
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
    "TextPair",
    "TorchlessError",
    "Windows",
    "ZeroShotClassifier",
    "verify",
]
