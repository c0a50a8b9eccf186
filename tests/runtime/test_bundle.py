from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from torchless import Bundle, Classifier, Encoder, verify
from torchless.errors import (
    BundleError,
    BundleNotFoundError,
    DeviceError,
    IncompatibleError,
    InferenceError,
    InputError,
    IntegrityError,
    VerificationError,
)
from torchless.tokens import Batch

Rewrite = Callable[[Callable[[dict[str, Any]], None]], None]

FILES = ["README.md", "classifier.int8.onnx", "golden.json", "manifest.json", "tokenizer.json", "weights.int8"]


def flip(path: Path, place: float) -> None:
    """Change one bit of one byte."""
    data = bytearray(path.read_bytes())
    data[int((len(data) - 1) * place)] ^= 1
    path.write_bytes(data)


def test_a_sound_bundle_passes_its_check(tiny: Path) -> None:
    Bundle.open(tiny).check()


@pytest.mark.parametrize("place", [0.0, 0.31, 0.77, 1.0])
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_stops_the_load_and_is_named(tiny_copy: Path, name: str, place: float) -> None:
    flip(tiny_copy / name, place)
    with pytest.raises(BundleError, match=name):
        Classifier.load(tiny_copy)


@pytest.mark.parametrize("name", ["weights.fp32", "encoder.fp32.onnx", "classifier.fp32.onnx", "encoder.int8.onnx"])
def test_verify_names_a_flipped_byte_in_any_file(tiny_copy: Path, name: str) -> None:
    flip(tiny_copy / name, 0.5)
    with pytest.raises(IntegrityError, match=name):
        verify(tiny_copy)


def test_another_precision_is_not_read_and_not_checked(tiny_copy: Path) -> None:
    (tiny_copy / "weights.fp32").unlink()
    assert Classifier.load(tiny_copy, precision="int8").predict(["good"])
    with pytest.raises(IntegrityError, match=r"weights\.fp32.*got no file"):
        Classifier.load(tiny_copy, precision="fp32")


def test_a_truncated_file_is_named_with_both_sizes(tiny_copy: Path) -> None:
    data = (tiny_copy / "weights.int8").read_bytes()
    (tiny_copy / "weights.int8").write_bytes(data[:-1])
    with pytest.raises(IntegrityError, match=f"expected {len(data)} bytes, got {len(data) - 1} bytes"):
        Classifier.load(tiny_copy)


def test_a_missing_folder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match=r"there is no such folder.*torchless export"):
        Classifier.load(tmp_path / "nowhere")


def test_a_folder_that_is_no_bundle_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder has no manifest\.json"):
        Encoder.load(tmp_path)


def test_a_precision_that_is_not_there_names_those_that_are(mini: Path) -> None:
    with pytest.raises(IncompatibleError, match="holds int8, not fp32"):
        Classifier.load(mini, precision="fp32")


def test_labels_that_do_not_match_the_graph_are_refused(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: fields.update(labels=["yes", "no"]))
    with pytest.raises(IncompatibleError, match=r"says 2 labels, but classifier\.int8\.onnx answers 3"):
        Classifier.load(tiny_copy)


def test_a_bundle_without_a_head_points_to_the_encoder(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: fields["variants"]["int8"].update(classifier=None))
    with pytest.raises(IncompatibleError, match=r"no classification head\. Load it with Encoder\.load"):
        Classifier.load(tiny_copy)
    assert Encoder.load(tiny_copy).embed(["good"]).shape == (1, 32)


def test_cuda_where_there_is_none_is_an_error_with_the_fix(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"needs CUDAExecutionProvider.*pip install onnxruntime-gpu"):
        Classifier.load(tiny, device="cuda")


def test_int8_on_cuda_is_refused(tiny: Path) -> None:
    with pytest.raises(DeviceError, match="int8 has no CUDA kernels"):
        Classifier.load(tiny, precision="int8", device="cuda")


def test_an_unknown_device_names_the_known_ones(tiny: Path) -> None:
    with pytest.raises(InputError, match="device: expected one of cpu, cuda, got 'tpu'"):
        Classifier.load(tiny, device="tpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -2, 1.5, 1 << 40, True])
def test_a_senseless_number_of_threads_is_refused(tiny: Path, threads: object) -> None:
    with pytest.raises(InputError, match="threads: expected a whole number from 1 to 1024"):
        Classifier.load(tiny, threads=threads)  # type: ignore[arg-type]


def test_a_model_that_answers_nan_is_an_error(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier.load(tiny)
    monkeypatch.setattr(classifier._session, "outputs", lambda _: [np.array([[np.nan, 0, 0]], np.float32)])
    with pytest.raises(InferenceError, match="NaN or infinity"):
        classifier.predict(["good"])


def test_a_batch_that_onnxruntime_refuses_is_described(tiny: Path) -> None:
    session = Classifier.load(tiny)._session
    alien = Batch(np.array([10**6], np.int32), np.array([0, 1]), np.array([False]))
    with pytest.raises(InferenceError, match="refused a batch of 1 texts, 1 tokens") as caught:
        session.run(alien)
    assert caught.value.__cause__ is not None


def test_verify_replays_every_variant(tiny: Path, mini: Path) -> None:
    assert [replay.precision for replay in verify(tiny)] == ["fp32", "int8"]
    (replay,) = verify(mini)
    assert replay.logit_difference is not None
    assert replay.logit_difference <= replay.tolerance


def test_verify_finds_a_model_that_answers_differently(tiny_copy: Path, rewrite: Rewrite) -> None:
    golden = json.loads((tiny_copy / "golden.json").read_bytes())
    golden["variants"]["int8"]["logits"][1][0] += 1
    golden["input_ids"][2][1] += 1
    data = json.dumps(golden).encode()
    (tiny_copy / "golden.json").write_bytes(data)
    record = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rewrite(lambda fields: fields["files"].update({"golden.json": record}))
    with pytest.raises(VerificationError, match=r"golden text 2: token ids .*int8 logits differ by 1, allowed 0\.1"):
        verify(tiny_copy)
