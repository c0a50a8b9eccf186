from __future__ import annotations

import hashlib
import io
import json
import shutil
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
    ManifestError,
    VerificationError,
)
from torchless.inputs.tokens import Batch

Rewrite = Callable[[Callable[[dict[str, Any]], None]], None]

FILES = ["classifier.int8.onnx", "manifest.json", "tokenizer.json", "weights.int8"]  # what a load reads


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


def test_a_card_with_another_word_in_it_stops_nobody_but_verify(tiny_copy: Path) -> None:
    with (tiny_copy / "README.md").open("a") as card:
        card.write("Seen in production.\n")
    assert Classifier.load(tiny_copy).predict(["good"])
    with pytest.raises(IntegrityError, match=r"README\.md was altered"):
        verify(tiny_copy)


@pytest.mark.parametrize(
    "name",
    ["weights.fp32", "encoder.fp32.onnx", "classifier.fp32.onnx", "encoder.int8.onnx", "golden.json", "README.md"],
)
def test_verify_names_a_flipped_byte_in_any_file(tiny_copy: Path, name: str) -> None:
    flip(tiny_copy / name, 0.5)
    with pytest.raises(IntegrityError, match=name):
        verify(tiny_copy)


def test_another_precision_is_not_read_and_not_checked(tiny_copy: Path) -> None:
    (tiny_copy / "weights.fp32").unlink()
    assert Classifier.load(tiny_copy, precision="int8").predict(["good"])
    with pytest.raises(IntegrityError, match=r"weights\.fp32.*got no file"):
        Classifier.load(tiny_copy, precision="fp32")


def test_weights_that_are_a_link_out_of_the_bundle_say_what_to_do(tiny_copy: Path) -> None:
    (tiny_copy / "weights.int8").rename(tiny_copy.parent / "elsewhere")
    (tiny_copy / "weights.int8").symlink_to("../elsewhere")
    with pytest.raises(InferenceError, match="Put the weights themselves beside it, not a link"):
        Classifier.load(tiny_copy)


def test_a_bundle_of_links_into_a_cache_loads(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()  # as the Hub's cache lies
    (tmp_path / "snapshot").mkdir()
    for number, path in enumerate(tiny.iterdir()):
        shutil.copy(path, tmp_path / "blobs" / str(number))
        (tmp_path / "snapshot" / path.name).symlink_to(f"../blobs/{number}")
    assert verify(tmp_path / "snapshot")


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


def test_a_precision_that_nobody_knows_is_wrong_usage(mini: Path) -> None:
    with pytest.raises(InputError, match="precision: expected one of auto, fp32, fp16, int8, got 'bogus'"):
        Classifier.load(mini, precision="bogus")


def test_a_manifest_that_is_a_folder_cannot_be_read(tiny_copy: Path) -> None:
    (tiny_copy / "manifest.json").unlink()
    (tiny_copy / "manifest.json").mkdir()
    with pytest.raises(BundleError, match=r"manifest\.json cannot be read: Is a directory"):
        Classifier.load(tiny_copy)


@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json", "weights.int8"])
def test_a_file_that_may_not_be_read_is_named(tiny_copy: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = io.open

    def forbid(path: Any, *arguments: Any, **options: Any) -> Any:  # the tests may run as root, who may read all
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(io, "open", forbid)
    with pytest.raises(BundleError, match=f"{name} cannot be read: Permission denied"):
        Classifier.load(tiny_copy)


def test_a_name_too_long_for_the_system_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        Classifier.load(tmp_path / ("x" * 5000))


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
    with pytest.raises(DeviceError, match=r"needs CUDAExecutionProvider.*pip install \"onnxruntime-gpu\[cuda,cudnn\]"):
        Classifier.load(tiny, device="cuda")


def test_int8_on_cuda_is_refused(tiny: Path, mini: Path) -> None:
    with pytest.raises(DeviceError, match="int8 has no CUDA kernels"):
        Classifier.load(tiny, precision="int8", device="cuda")
    with pytest.raises(DeviceError, match=r"sst2-mini holds int8.*export the checkpoint with --precision fp16,int8"):
        Classifier.load(mini, device="cuda")


def test_an_unknown_device_names_the_known_ones(tiny: Path) -> None:
    with pytest.raises(InputError, match="device: expected one of cpu, cuda, got 'tpu'"):
        Classifier.load(tiny, device="tpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -2, 1.5, 1 << 40, True])
def test_a_senseless_number_of_threads_is_refused(tiny: Path, threads: object) -> None:
    with pytest.raises(InputError, match="threads: expected a whole number from 1 to 1024"):
        Classifier.load(tiny, threads=threads)  # type: ignore[arg-type]


def test_a_model_that_answers_nan_is_an_error(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier.load(tiny)
    monkeypatch.setattr(classifier.session, "outputs", lambda _: [np.array([[np.nan, 0, 0]], np.float32)])
    with pytest.raises(InferenceError, match="NaN or infinity"):
        classifier.predict(["good"])


def test_a_batch_that_onnxruntime_refuses_is_described(tiny: Path) -> None:
    session = Classifier.load(tiny).session
    alien = Batch(np.array([10**6], np.int32), np.array([0, 1]), np.array([False]), np.array([0], np.int32))
    with pytest.raises(InferenceError, match="refused a batch of 1 texts, 1 tokens") as caught:
        session.run(alien)
    assert caught.value.__cause__ is not None


def test_verify_replays_every_variant(tiny: Path, mini: Path) -> None:
    assert [replay.precision for replay in verify(tiny)] == ["fp32", "int8"]
    (replay,) = verify(mini)
    assert replay.logit_difference is not None
    assert replay.logit_difference <= replay.tolerance


@pytest.fixture
def regolden(tiny_copy: Path, rewrite: Rewrite) -> Rewrite:
    """Change golden.json of the copied bundle, and the manifest with it."""

    def regolden(change: Callable[[dict[str, Any]], None]) -> None:
        golden = json.loads((tiny_copy / "golden.json").read_bytes())
        change(golden)
        data = json.dumps(golden).encode()
        (tiny_copy / "golden.json").write_bytes(data)
        record = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        rewrite(lambda fields: fields["files"].update({"golden.json": record}))

    return regolden


def test_verify_finds_a_model_that_answers_differently(tiny_copy: Path, regolden: Rewrite) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["variants"]["int8"]["logits"][1][0] += 1
        golden["input_ids"][2][1] += 1

    regolden(change)
    with pytest.raises(VerificationError, match=r"golden text 2: token ids .*int8 logits differ by 1, allowed 0\.1"):
        verify(tiny_copy)


def test_verify_finds_embeddings_that_point_elsewhere(tiny_copy: Path, regolden: Rewrite) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["variants"]["int8"]["embeddings"][3][0] += 0.09  # less than a coordinate might once be off by
        golden["variants"]["int8"]["embeddings"][3][1] -= 0.09
        golden["variants"]["int8"]["embeddings"][3][2] += 0.09

    regolden(change)
    with pytest.raises(VerificationError, match=r"int8 embeddings have a cosine of 0\.98\d+, expected 0\.99 or more"):
        verify(tiny_copy)


def test_embeddings_of_the_first_texts_are_enough(tiny_copy: Path, regolden: Rewrite) -> None:
    def change(golden: dict[str, Any]) -> None:
        for answers in golden["variants"].values():
            answers.update(embeddings=answers["embeddings"][:2], min_cosine=0.999)

    regolden(change)
    assert [replay.min_cosine for replay in verify(tiny_copy)] == [0.999, 0.999]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda golden: golden.clear(), "texts: expected a list, got nothing"),
        (lambda golden: golden.update(texts=[]), "texts: expected one or more, got none"),
        (lambda golden: golden["input_ids"].pop(), "input_ids: expected 27 lists, one for each text, got 26"),
        (lambda golden: golden["variants"].pop("int8"), r"variants\.int8: expected an object"),
        (lambda golden: golden["variants"]["int8"].pop("logits"), r"variants\.int8\.logits: expected a list"),
        (lambda golden: golden["variants"]["int8"]["logits"].pop(), r"int8\.logits: expected 27 rows, one for each"),
        (lambda golden: golden["variants"]["int8"]["logits"][0].pop(), r"int8\.logits: expected rows of 3 numbers"),
        (lambda golden: golden["variants"]["fp32"].update(embeddings=[]), r"embeddings: expected rows of 32 numbers"),
        (lambda golden: golden["variants"]["fp32"].update(embeddings=["a"]), r"embeddings: expected rows of 32"),
        (lambda golden: golden["variants"]["fp32"].update(tolerance=1e9), r"tolerance: expected a number from 0 to 1"),
        (lambda golden: golden["variants"]["fp32"].update(min_cosine=0), r"min_cosine: expected a number from 0\.9 to"),
    ],
)
def test_a_wrong_golden_file_is_named(
    tiny_copy: Path, regolden: Rewrite, change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    regolden(change)
    with pytest.raises(ManifestError, match=rf"golden\.json, .*{complaint}"):
        verify(tiny_copy)


def test_verify_needs_golden_answers(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: fields["files"].pop("golden.json"))
    assert Classifier.load(tiny_copy).predict(["good"])
    with pytest.raises(ManifestError, match=r"files: expected golden\.json among them"):
        verify(tiny_copy)
