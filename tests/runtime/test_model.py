"""A bundle's graph, loaded: the right files, in the right class, at the right limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder, TextPair
from torchless.errors import DeviceError, IncompatibleError, InputError, IntegrityError

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
