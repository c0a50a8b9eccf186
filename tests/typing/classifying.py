"""`Classifier`, `ZeroShotClassifier` and what they answer."""

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

from torchless import Classifier, Manifest, Prediction, TextPair, Windows, ZeroShotClassifier
from torchless.answers.ranking import Answers


def loading() -> None:
    assert_type(Classifier.load("models/sst2-mini"), Classifier)
    assert_type(Classifier.load(Path("here"), precision="int8", device="cuda", threads=2, revision=None), Classifier)
    Classifier.load(b"here")  # type: ignore[arg-type]
    Classifier.load("here", "int8")  # type: ignore[call-arg]
    Classifier.load("here", device="tpu")  # type: ignore[arg-type]
    Classifier.load("here", threads="2")  # type: ignore[arg-type]
    Classifier.load("here", quantized=True)  # type: ignore[call-arg]


def classifying(classifier: Classifier) -> None:
    assert_type(classifier.labels, tuple[str, ...])
    assert_type(classifier.manifest, Manifest)
    assert_type(classifier.limited(64), Classifier)
    assert_type(classifier.predict(["a", "b"]), list[Prediction])
    assert_type(classifier.predict(text for text in ("a", "b")), list[Prediction])
    assert_type(classifier.predict([TextPair("a", "b"), "c"]), list[Prediction])
    assert_type(classifier.predict(["a"], activation="sigmoid", windows=Windows(stride=64)), list[Prediction])
    assert_type(classifier.rank(["a"], top_k=None, threshold={"POSITIVE": 0.5}), list[list[Prediction]])
    assert_type(classifier.rank(["a"], top_k=3, threshold=0.5), list[list[Prediction]])
    assert_type(classifier.scores(["a"]), NDArray[np.float32])
    assert_type(classifier.logits(["a"]), NDArray[np.float32])
    assert_type(classifier.answer(["a"]), Answers)
    assert_type(classifier.answer(["a"]).truncated, NDArray[np.bool_])
    classifier.predict([1])  # type: ignore[list-item]
    classifier.predict([b"a"])  # type: ignore[list-item]
    classifier.predict(None)  # type: ignore[arg-type]
    classifier.predict(["a"], activation="relu")  # type: ignore[arg-type]
    classifier.predict(["a"], windows=64)  # type: ignore[arg-type]
    classifier.rank(["a"], top_k="all")  # type: ignore[arg-type]
    classifier.logits(["a"], activation="none")  # type: ignore[call-arg]


def predictions(prediction: Prediction) -> None:
    assert_type(prediction.label, str)
    assert_type(prediction.score, float)
    assert_type(prediction.truncated, bool)
    assert_type(prediction.windows, int)
    prediction.score = 1.0  # type: ignore[misc]


def windows() -> None:
    Windows(stride=64, combine="max")
    Windows(combine="median")  # type: ignore[arg-type]
    TextPair("a")  # type: ignore[call-arg]


def labels_of_your_own(classifier: Classifier) -> None:
    zero_shot = ZeroShotClassifier(classifier, entailment="LABEL_2")
    assert_type(ZeroShotClassifier.load("nli"), ZeroShotClassifier)
    assert_type(zero_shot.rank(["a"], ["phones", "travel"], multi_label=True), list[list[Prediction]])
    assert_type(zero_shot.answer(["a"], ["phones"]), Answers)
    zero_shot.rank(["a"])  # type: ignore[call-arg]
    zero_shot.rank([TextPair("a", "b")], ["phones"])  # type: ignore[list-item]
