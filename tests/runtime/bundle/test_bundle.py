"""A bundle is a folder whose files are what was exported."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless import Bundle, Classifier, Encoder, TextPair, verify
from torchless.errors import BundleError, BundleNotFoundError, IncompatibleError, InputError, IntegrityError

FILES = ["classifier.int8.onnx", "manifest.json", "tokenizer.json", "weights.int8"]  # what a load reads


def test_a_sound_bundle_passes_its_check(tiny: Path) -> None:
    Bundle.open(tiny).check()


@pytest.mark.parametrize("place", [0.0, 0.31, 0.77, 1.0])
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_stops_the_load_and_is_named(
    tiny_copy: Path, name: str, place: float, flip: Callable[[Path, float], None]
) -> None:
    flip(tiny_copy / name, place)
    with pytest.raises(BundleError, match=name):
        Classifier.load(tiny_copy)


def test_a_bundle_of_links_into_a_cache_loads(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()  # as the Hub's cache lies
    (tmp_path / "snapshot").mkdir()
    for number, path in enumerate(tiny.iterdir()):
        shutil.copy(path, tmp_path / "blobs" / str(number))
        (tmp_path / "snapshot" / path.name).symlink_to(f"../blobs/{number}")
    assert verify(tmp_path / "snapshot")


def test_files_in_a_folder_are_checked_and_loaded(
    in_folders: Path, tiny: Path, flip: Callable[[Path, float], None]
) -> None:
    assert [report.precision for report in verify(in_folders)] == ["fp32", "int8"]
    assert (Classifier.load(in_folders).logits(["good"]) == Classifier.load(tiny).logits(["good"])).all()
    flip(in_folders / "onnx" / "weights.int8", 0.5)
    with pytest.raises(IntegrityError, match=r"onnx/weights\.int8 was altered or damaged"):
        Classifier.load(in_folders)


def test_a_folder_that_is_a_link_is_refused(in_folders: Path, tmp_path: Path) -> None:
    """Its files are elsewhere, where others may write."""
    (in_folders / "onnx").rename(tmp_path / "elsewhere")
    (in_folders / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="onnx was altered or damaged: expected a folder, got a link"):
        Classifier.load(in_folders)


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
    really_open = os.open

    def forbid(path: Any, *arguments: Any, **options: Any) -> Any:  # the tests may run as root, who may read all
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", forbid)
    with pytest.raises(BundleError, match=f"{name} cannot be read: Permission denied"):
        Classifier.load(tiny_copy)


def test_a_name_too_long_for_the_system_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        Classifier.load(tmp_path / ("x" * 5000))


def test_the_tokenizer_of_a_bundle_has_its_limit_and_its_pairs(tiny: Path, mini: Path, long_text: str) -> None:
    batch = Bundle.open(tiny).tokenizer().encode([long_text, TextPair("a", "b")])
    assert (batch.lengths.tolist(), batch.truncated.tolist()) == ([64, 5], [True, False])
    with pytest.raises(InputError, match="this model takes single texts"):
        Bundle.open(mini).tokenizer().encode([TextPair("a", "b")])


def test_a_variant_is_chosen_by_its_precision_and_names_its_files(tiny: Path) -> None:
    bundle = Bundle.open(tiny)
    name, variant = bundle.variant("auto")
    assert (name, variant) == ("int8", bundle.manifest.variants["int8"])
    expected = ["tokenizer.json", "weights.int8", "encoder.int8.onnx", "classifier.int8.onnx"]
    assert bundle.files_for(variant) == expected
    assert bundle.variant("fp32") == ("fp32", bundle.manifest.variants["fp32"])


def test_only_the_files_that_are_named_are_checked(tiny_copy: Path) -> None:
    (tiny_copy / "weights.fp32").unlink()
    bundle = Bundle.open(tiny_copy)
    bundle.check(["weights.int8"])
    with pytest.raises(IntegrityError, match=r"weights\.fp32"):
        bundle.check()
