"""A bundle's graph, loaded: the right files, in the right class, at the right limit."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Bundle, Classifier, Encoder, TextPair
from torchless.errors import DeviceError, IncompatibleError, InferenceError, InputError, IntegrityError
from torchless.model import _Background, _precision_for

Rewrite = Callable[[Callable[[dict[str, Any]], None]], None]


def test_another_precision_is_not_read_and_not_checked(tiny_copy: Path) -> None:
    (tiny_copy / "weights.fp32").unlink()
    assert Classifier.load(tiny_copy, precision="int8").predict(["good"])
    with pytest.raises(IntegrityError, match=r"weights\.fp32.*got no file"):
        Classifier.load(tiny_copy, precision="fp32")


def test_labels_that_do_not_match_the_graph_are_refused(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: fields.update(labels=["yes", "no"]))
    with pytest.raises(IncompatibleError, match=r"says 2 labels, but classifier\.int8\.onnx answers 3"):
        Classifier.load(tiny_copy)


def test_a_bundle_without_a_head_points_to_the_encoder(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: fields["variants"]["int8"].update(classifier=None))
    with pytest.raises(IncompatibleError, match=r"no classification head\. Load it with Encoder\.load"):
        Classifier.load(tiny_copy)
    assert Encoder.load(tiny_copy).embed(["good"]).shape == (1, 32)


def test_int8_on_cuda_is_refused(tiny: Path, mini: Path) -> None:
    with pytest.raises(DeviceError, match="int8 has no CUDA kernels"):
        Classifier.load(tiny, precision="int8", device="cuda")
    with pytest.raises(DeviceError, match=r"sst2-mini holds int8.*export the checkpoint with --precision fp16,int8"):
        Classifier.load(mini, device="cuda")


def test_a_limited_model_cuts_earlier_and_leaves_the_other_alone(
    tiny: Path, tiny_classifier: Classifier, long_text: str
) -> None:
    pair = TextPair(long_text, "x y z")
    whole = tiny_classifier.logits([pair])  # the tokenizer for pairs is there already, and has the old limit
    limited = tiny_classifier.limited(10).limited(8)
    np.testing.assert_allclose(
        limited.logits([long_text]), tiny_classifier.logits([" ".join(long_text.split()[:6])]), atol=1e-6
    )
    np.testing.assert_allclose(limited.logits([pair]), tiny_classifier.logits([TextPair("a b c", "x y")]), atol=1e-6)
    np.testing.assert_array_equal(tiny_classifier.logits([pair]), whole)
    assert limited.predict([long_text])[0].truncated
    encoder = Encoder.load(tiny, precision="fp32").limited(5)
    assert encoder.hidden_states([long_text])[0].shape == (5, 32)


@pytest.mark.parametrize("limit", [0, 1, 65, 2.0, True, None])
def test_a_limit_is_one_that_the_model_has_room_for(tiny: Path, tiny_classifier: Classifier, limit: Any) -> None:
    for model in (tiny_classifier, Encoder.load(tiny)):
        with pytest.raises(InputError, match="max_tokens: expected"):
            model.limited(limit)


def test_a_hidden_size_that_does_not_match_the_graph_is_refused(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: fields.update(hidden_size=64))
    assert Classifier.load(tiny_copy).predict(["good"])  # its graph says nothing about it
    with pytest.raises(IncompatibleError, match=r"says 64 numbers per token, but encoder\.int8\.onnx answers 32"):
        Encoder.load(tiny_copy)


def test_a_graph_that_cannot_be_loaded_is_an_error_of_the_caller_s_thread(
    tiny_copy: Path, record: Callable[[str, bytes], None]
) -> None:
    record("classifier.int8.onnx", b"no graph")
    with pytest.raises(InferenceError, match=r"cannot load .*classifier\.int8\.onnx"):
        Classifier.load(tiny_copy)
    assert Encoder.load(tiny_copy).embed(["good"]).shape == (1, 32)


def test_weights_that_were_altered_are_an_error_whatever_the_graph_says(
    tiny_copy: Path, record: Callable[[str, bytes], None], flip: Callable[[Path, float], None]
) -> None:
    record("classifier.int8.onnx", b"no graph")
    flip(tiny_copy / "weights.int8", 0.5)
    with pytest.raises(IntegrityError, match=r"weights\.int8 was altered"):
        Classifier.load(tiny_copy)


def test_a_failed_load_leaves_no_thread_behind(tiny_copy: Path, record: Callable[[str, bytes], None]) -> None:
    before = set(threading.enumerate())
    record("tokenizer.json", b"{}")
    with pytest.raises(IncompatibleError, match="cannot read it"):
        Classifier.load(tiny_copy)
    deadline = time.monotonic() + 30
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_background_work_raises_comes_out_where_its_result_is_asked_for(error: BaseException) -> None:
    def work() -> None:
        raise error

    background = _Background(work)
    with pytest.raises(type(error)) as caught:
        background.result()
    assert caught.value is error


def test_background_work_runs_beside_its_caller() -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert go.wait(30)
        return 7

    background = _Background(work)
    assert begun.wait(30)
    go.set()
    assert background.result() == 7


def test_auto_is_the_default_of_the_bundle_and_its_best_for_a_gpu(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Classifier.load(tiny).precision == "int8"
    bundle = Bundle.open(tiny)
    choice = {device: _precision_for(bundle, device, "auto") for device in ("cpu", "cuda")}
    assert choice == {"cpu": "auto", "cuda": "fp32"}
    half = {**bundle.manifest.variants, "fp16": bundle.manifest.variants["fp32"]}
    monkeypatch.setattr(bundle, "manifest", dataclasses.replace(bundle.manifest, variants=half))
    assert _precision_for(bundle, "cuda", "auto") == "fp16"


def test_a_limited_model_shares_the_graph(tiny_classifier: Classifier) -> None:
    limited = tiny_classifier.limited(8)
    assert limited.session is tiny_classifier.session
    assert type(limited) is Classifier
    assert tiny_classifier.limited(64).predict(["good"]) == tiny_classifier.predict(["good"])
