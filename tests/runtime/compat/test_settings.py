"""What `pipeline` is told about the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from torchless import Classifier
from torchless.compat import pipeline
from torchless.errors import BundleNotFoundError, InputError


def test_a_model_is_a_bundle_or_loaded_already(tiny: Path) -> None:
    with pytest.raises(InputError, match="model: expected a bundle or a loaded model, got int"):
        pipeline("text-classification", model=3)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"takes a bundle or Encoder.load\(…\), got Classifier"):
        pipeline("feature-extraction", model=Classifier.load(tiny))
    with pytest.raises(InputError, match=r"device: the model is loaded already, got 'cpu'. Pass it to Classifier.load"):
        pipeline(model=Classifier.load(tiny), device="cpu")
    with pytest.raises(BundleNotFoundError):
        pipeline("text-classification", model=tiny / "nowhere")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"device": "cpu", "precision": "auto"}),
        ({"device": -1}, {"device": "cpu"}),
        ({"device": "cpu"}, {"device": "cpu"}),
        ({"device": 0}, {"device": "cuda"}),
        ({"device": "cuda"}, {"device": "cuda"}),
        ({"device": "cuda:0"}, {"device": "cuda"}),
        ({"dtype": "auto"}, {"precision": "auto"}),
        ({"dtype": "float32"}, {"precision": "fp32"}),
        ({"dtype": "torch.float16"}, {"precision": "fp16"}),
        ({"torch_dtype": "torch.float32"}, {"precision": "fp32"}),
        ({"revision": "v1"}, {"revision": "v1"}),
    ],
)
def test_settings_reach_the_model(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    classifier, got = Classifier.load(tiny), {}

    def load(path: Any, **given: Any) -> Classifier:
        got.update(given, path=path)
        return classifier

    monkeypatch.setattr(Classifier, "load", load)
    pipeline("text-classification", model="org/name", **settings)
    assert got == got | expected | {"path": "org/name"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"device": 1},
            "device: expected -1 or 'cpu', 0 or 'cuda', got 1. Choose among GPUs with CUDA_VISIBLE_DEVICES",
        ),
        ({"device": "mps"}, "device: expected"),
        ({"device": True}, "device: expected"),
        ({"torch_dtype": "bfloat16"}, "dtype: expected 'auto', 'float32' or 'float16', got 'bfloat16'"),
        ({"framework": "tf"}, "framework: expected None or 'pt', got 'tf'"),
        ({"tokenizer": "another"}, "tokenizer: expected None, got 'another'. A bundle has its own"),
        ({"config": "another"}, "config: expected None"),
        ({"use_fast": False}, "use_fast: expected None or True, got False"),
        ({"token": "hf_x"}, "Set HF_TOKEN"),
        ({"model_kwargs": {"x": 1}}, "model_kwargs: expected None or {}"),
        ({"device_map": "auto"}, "Use device"),
        ({"revision": "v1"}, "revision"),
        ({"foo": 1}, "foo: text-classification takes top_k, function_to_apply"),
        ({"batch_size": 0}, "batch_size: expected a whole number of 1 or more, got 0"),
        ({"top_k": "all"}, "top_k: expected a whole number, or None"),
        ({"truncation": "middle"}, "truncation: expected one of"),
    ],
)
def test_a_setting_that_would_change_the_answers_is_refused(tiny: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        pipeline("text-classification", model=tiny, **settings)
    assert message in str(caught.value)


def test_settings_that_leave_the_answers_alone_are_taken(tiny: Path, classify: Any) -> None:
    settings: dict[str, Any] = {"framework": "pt", "num_workers": 4, "trust_remote_code": True, "model_kwargs": {}}
    assert pipeline("text-classification", tiny, tokenizer=str(tiny), **settings)("good") == classify("good")
