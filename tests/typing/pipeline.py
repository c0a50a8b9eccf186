"""`torchless.compat.pipeline`: the task decides what comes back."""

from typing import Any, assert_type

from torchless import Classifier, Encoder
from torchless.compat import pipeline
from torchless.compat.feature_extraction import FeatureExtractionPipeline
from torchless.compat.text_classification import TextClassificationPipeline
from torchless.compat.zero_shot_classification import ZeroShotClassificationPipeline


def pipelines(classifier: Classifier, encoder: Encoder, task: str) -> None:
    assert_type(pipeline("text-classification", model="models/sst2-mini"), TextClassificationPipeline)
    assert_type(pipeline("sentiment-analysis", classifier, top_k=None), TextClassificationPipeline)
    assert_type(pipeline("zero-shot-classification", model="nli", device="cpu"), ZeroShotClassificationPipeline)
    assert_type(pipeline("feature-extraction", model=encoder), FeatureExtractionPipeline)
    assert_type(pipeline(model="models/sst2-mini"), Any)
    assert_type(pipeline(task, model="models/sst2-mini"), Any)
    assert_type(pipeline("text-classification", classifier).model, Classifier)
    assert_type(pipeline("feature-extraction", encoder).model, Encoder)
    assert_type(pipeline("text-classification", classifier)("a"), Any)
    pipeline(1)  # type: ignore[call-overload]
    pipeline("text-classification", model=1)  # type: ignore[call-overload]
