"""transformers' `pipeline`, over bundles: the same calls, the same answers, without transformers and PyTorch.

    >>> from torchless.compat import pipeline
    >>> classify = pipeline("text-classification", model="models/sst2-mini")
    >>> classify("I hate this so much")[0]["label"]
    'NEGATIVE'

What is equal and what differs is in docs/pipeline.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, overload

from torchless.errors import InputError
from torchless.inputs.arguments import choice

if TYPE_CHECKING:
    import os

    from torchless.classifier import Classifier
    from torchless.encoder import Encoder
    from torchless.token_classifier import TokenClassifier

    from .feature_extraction import FeatureExtractionPipeline
    from .text_classification import TextClassificationPipeline
    from .token_classification import TokenClassificationPipeline
    from .zero_shot_classification import ZeroShotClassificationPipeline

    Pipeline = (
        TextClassificationPipeline
        | TokenClassificationPipeline
        | ZeroShotClassificationPipeline
        | FeatureExtractionPipeline
    )
    Model = str | os.PathLike[str] | Classifier | TokenClassifier | Encoder
else:
    Model = Pipeline = Any  # for those who read the annotations; the classes would be imported for nothing

__all__ = ["pipeline"]

# Each task: its module, and its class there.
_TASKS = {
    "text-classification": ("text_classification", "TextClassificationPipeline"),
    "token-classification": ("token_classification", "TokenClassificationPipeline"),
    "zero-shot-classification": ("zero_shot_classification", "ZeroShotClassificationPipeline"),
    "feature-extraction": ("feature_extraction", "FeatureExtractionPipeline"),
}
_ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}


@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"], model: Model | None = None, **settings: Any
) -> TextClassificationPipeline: ...
@overload
def pipeline(
    task: Literal["token-classification", "ner"], model: Model | None = None, **settings: Any
) -> TokenClassificationPipeline: ...
@overload
def pipeline(
    task: Literal["zero-shot-classification"], model: Model | None = None, **settings: Any
) -> ZeroShotClassificationPipeline: ...
@overload
def pipeline(
    task: Literal["feature-extraction"], model: Model | None = None, **settings: Any
) -> FeatureExtractionPipeline: ...
@overload
def pipeline(task: str | None = None, model: Model | None = None, **settings: Any) -> Any: ...


def pipeline(
    task: str | None = None,
    model: Model | None = None,
    *,
    device: Any = None,
    dtype: Any = None,
    torch_dtype: Any = None,
    revision: str | None = None,
    **parameters: Any,
) -> Pipeline:
    """A pipeline that takes and answers what transformers' pipeline of the same task does.

    Args:
        task: "text-classification" or its other name "sentiment-analysis", "token-classification" or its other name
            "ner", "zero-shot-classification" or "feature-extraction"; None takes the one of the bundle's head,
            feature-extraction without one.
        model: a bundle, as `Classifier.load` takes it, or a Classifier, TokenClassifier or Encoder that is loaded.
        device: "cpu" or -1, "cuda" or 0, or torch's object for one of them; None is the CPU.
        dtype: "float32" or "float16" for the bundle's fp32 or fp16 variant; "auto" or None for its default.
        torch_dtype: the older name of dtype.
        revision: branch, tag or commit of a model on the Hub.
        parameters: what the pipeline takes in a call, as its defaults; and transformers' other settings, where they
            leave the answers alone.

    Raises:
        InputError: the task is unknown, there is no model, or an argument would change the answers in a way that
            Torchless does not know.
        BundleError, DeviceError, InferenceError, MissingExtraError, OutputError: as in `Classifier.load`.
    """
    if task is not None:
        task = choice(task, "task", sorted([*_TASKS, *_ALIASES]))
    if model is None:
        raise InputError(
            "model: expected a bundle, got none. There is no default model: make one from your checkpoint "
            "with: torchless export CHECKPOINT OUT"
        )
    settings = import_module(".settings", __name__)  # what it imports takes long
    parameters = settings.without_harmless(parameters, model)
    if task is None:
        task = settings.task_of(model, revision)
    module, name = _TASKS[_ALIASES.get(task, task)]
    kind = getattr(import_module(f".{module}", __name__), name)
    loaded = settings.load(
        kind.model_type, model, device=device, dtype=dtype if torch_dtype is None else torch_dtype, revision=revision
    )
    made: Pipeline = kind(loaded, task, parameters)
    return made
