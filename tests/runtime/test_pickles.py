"""Models and arguments cross from one process to another, and work outlives the main thread."""

from __future__ import annotations

import copy
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder, TextPair, Windows, ZeroShotClassifier
from torchless.answers.ranking import Prediction
from torchless.errors import BundleError, BundleNotFoundError, IncompatibleError, IntegrityError

TEXTS = ["good", "a bad film", "x " * 100]


def test_models_load_and_answer_in_a_process_that_was_spawned(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.parent)  # the other process is elsewhere
    classifier = Classifier.load(tiny.name, precision="fp32", threads=1).limited(40)
    zero_shot = ZeroShotClassifier(classifier, entailment="positive")
    monkeypatch.chdir("/")
    with get_context("spawn").Pool(1) as pool:

        def there(call: Callable[[Any], Any], model: Any) -> Any:
            return pool.apply_async(call, (model,)).get(60)  # a pool waits for ever where a task cannot be read

        for model, call in [
            (classifier, methodcaller("logits", TEXTS)),
            (Encoder.load(tiny), methodcaller("embed", TEXTS)),
        ]:
            np.testing.assert_array_equal(there(call, model), call(model))
        ranked = methodcaller("rank", TEXTS, ["a", "b"])
        assert there(ranked, zero_shot) == ranked(zero_shot)


def test_a_copy_is_the_same_model(tiny_classifier: Classifier) -> None:
    for other in (copy.copy(tiny_classifier), copy.deepcopy(tiny_classifier)):
        assert (other.logits(TEXTS) == tiny_classifier.logits(TEXTS)).all()
    assert copy.copy(tiny_classifier).session is tiny_classifier.session


def test_another_bundle_in_its_place_is_no_model_of_that_pickle(tiny_copy: Path, rewrite: Callable[..., None]) -> None:
    pickled = pickle.dumps(Classifier.load(tiny_copy))
    rewrite(lambda fields: fields.update(labels=["a", "b", "c"]))
    with pytest.raises(IntegrityError, match="expected the bundle of sha256"):
        pickle.loads(pickled)
    shutil.rmtree(tiny_copy)
    with pytest.raises(BundleNotFoundError, match="there is no such folder"):
        pickle.loads(pickled)


def test_a_model_made_by_hand_says_why_it_cannot_be_pickled(tiny_classifier: Classifier) -> None:
    of = tiny_classifier
    made = Classifier(of.manifest, of.precision, of.device, of.tokenizer, of.session)
    with pytest.raises(IncompatibleError, match="only models made by load or from_bundle can be pickled"):
        pickle.dumps(made)
    assert issubclass(IncompatibleError, BundleError)


@pytest.mark.parametrize(
    ("value", "here", "there"),
    [
        (TextPair("a", "b"), "torchless.inputs.arguments", "torchless.arguments"),
        (Windows(stride=2, combine="max"), "torchless.inputs.windows", "torchless.windows"),
        (Prediction("a", 0.5, False), "torchless.answers.ranking", "torchless.classifier"),
        (Prediction("a", 0.5, False), "torchless.answers.ranking", "torchless.ranking"),
    ],
)
def test_pickles_of_earlier_versions_are_read(value: Any, here: str, there: str) -> None:
    data = pickle.dumps(value, protocol=0).replace(here.encode(), there.encode())
    assert there.encode() in data
    assert pickle.loads(data) == value


def test_a_list_that_a_thread_is_answering_is_finished_when_the_main_thread_ends(tiny: Path) -> None:
    code = f"""
import threading
from torchless import Classifier, Encoder
classifier = Classifier.load({str(tiny)!r}, threads=2)
texts = ["good film " * (1 + place % 20) for place in range(3000)]

def work():
    for _ in range(2):
        print(len(classifier.predict(texts)), flush=True)
    print(len(Encoder.load({str(tiny)!r}, threads=2).embed(texts)), flush=True)

threading.Thread(target=work).start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["3000"] * 3)
