"""What was checked is what runs: a folder is opened once, and each of its files."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Bundle, Classifier, Encoder, verify
from torchless.bundle.folder import File
from torchless.bundle.manifest import Manifest
from torchless.errors import BundleError, BundleNotFoundError, InferenceError, InputError, IntegrityError, ManifestError

onnx = pytest.importorskip("onnx")  # makes graphs for the tests; the runtime does without
TensorProto, helper = onnx.TensorProto, onnx.helper

Record = Callable[[str, bytes], None]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows holds no folder by a descriptor, and has no such files")


@pytest.fixture
def other(tiny: Path, tmp_path: Path, sign: Callable[[dict[str, Any]], bytes]) -> Path:
    """The tiny bundle with its labels in another order: a mix of the two would be wrong without any error."""
    folder = Path(shutil.copytree(tiny, tmp_path / "other"))
    fields = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(sign({**fields, "labels": fields["labels"][::-1]}))
    return folder


@posix
def test_a_link_that_is_swapped_while_a_bundle_loads_changes_nothing(
    tiny: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "live"
    link.symlink_to(tiny)
    really = Manifest.from_bytes

    def swap(data: bytes) -> Manifest:
        link.unlink()
        link.symlink_to(other)
        (other / "weights.int8").write_bytes(b"of another bundle")
        return really(data)

    monkeypatch.setattr(Manifest, "from_bytes", swap)
    classifier = Classifier.load(link)
    assert classifier.labels == Bundle.open(tiny).manifest.labels
    assert (classifier.logits(["good"]) == Classifier.load(tiny).logits(["good"])).all()


@posix
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a renamed folder keeps its descriptor on Linux")
def test_a_folder_that_is_replaced_while_a_bundle_loads_changes_nothing(
    tiny_copy: Path, tiny: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Manifest.from_bytes

    def replace(data: bytes) -> Manifest:
        if tiny_copy.exists() and other.exists():
            tiny_copy.rename(tiny_copy.parent / "old")
            other.rename(tiny_copy)
        return really(data)

    monkeypatch.setattr(Manifest, "from_bytes", replace)
    classifier = Classifier.load(tiny_copy)
    assert (classifier.logits(["good"]) == Classifier.load(tiny).logits(["good"])).all()


def test_without_descriptors_a_folder_is_held_by_its_resolved_path(
    in_folders: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    monkeypatch.setattr("torchless.bundle.folder._BY_DESCRIPTOR", False)
    link = tmp_path / "live"
    link.symlink_to(in_folders)
    bundle = Bundle.open(link)
    link.unlink()
    assert (Classifier.from_bundle(bundle).logits(["good"]) == Classifier.load(tiny).logits(["good"])).all()
    for nothing in (link, in_folders / "tokenizer.json"):
        with pytest.raises(BundleNotFoundError, match="there is no such folder"):
            Bundle.open(nothing)
    (in_folders / "onnx").rename(tmp_path / "elsewhere")
    (in_folders / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="expected a folder, got a link"):
        Classifier.load(in_folders)


def test_files_that_are_replaced_while_a_bundle_loads_are_an_error_that_says_so(
    tiny_copy: Path, record: Record
) -> None:
    bundle = Bundle.open(tiny_copy)
    record("tokenizer.json", b"{}")  # another bundle is copied over this one
    with pytest.raises(IntegrityError, match="expected the bundle whose manifest was read, got another one") as caught:
        Classifier.from_bundle(bundle)
    assert "Load it again" in str(caught.value)


def test_a_file_that_is_written_to_while_it_is_loaded_is_an_error(
    tiny_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = File.sha256

    def touch(file: File) -> str:
        found = really(file)
        os.utime(file.path, ns=(time.time_ns(), time.time_ns() + 10**9))
        return found

    monkeypatch.setattr(File, "sha256", touch)
    with pytest.raises(IntegrityError, match=r"weights\.int8.*that nothing writes to while it is loaded"):
        Classifier.load(tiny_copy)


@posix
def test_after_a_load_the_folder_may_go(tiny_copy: Path, tiny: Path, sentences: list[str]) -> None:
    classifier, encoder = Classifier.load(tiny_copy, threads=2), Encoder.load(tiny_copy, threads=2)
    bundle = Bundle.open(tiny_copy)
    bundle.check()
    shutil.rmtree(tiny_copy)
    texts = sentences * 8  # long enough for sessions that are made when they are needed
    assert (classifier.logits(texts) == Classifier.load(tiny, threads=2).logits(texts)).all()
    assert (encoder.embed(texts) == Encoder.load(tiny, threads=2).embed(texts)).all()
    assert Classifier.from_bundle(bundle).predict(["good"])


def test_one_bundle_is_loaded_as_often_as_one_likes(tiny: Path) -> None:
    bundle = Bundle.open(tiny)
    first, second = Classifier.from_bundle(bundle), Encoder.from_bundle(bundle, precision="fp32")
    assert (first.logits(["good"]) == Classifier.load(tiny).logits(["good"])).all()
    assert second.precision == "fp32"
    assert bundle.digest == Bundle.open(tiny).digest
    with pytest.raises(InputError, match="expected a Bundle, got '"):
        Classifier.from_bundle(str(tiny))  # type: ignore[arg-type]


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path has 107 characters at most
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@posix
@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json", "classifier.int8.onnx", "weights.int8"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [(make_pipe, "a pipe"), (make_socket, "a socket"), (make_device, "a device"), (Path.mkdir, "Is a directory")],
)
def test_what_is_no_file_is_refused_at_once(
    tiny_copy: Path, name: str, make: Callable[[Path], None], kind: str
) -> None:
    (tiny_copy / name).unlink()
    make(tiny_copy / name)
    with pytest.raises(BundleError, match=rf"{name} cannot be read: .*{kind}"):
        Classifier.load(tiny_copy)


def test_what_the_manifest_does_not_list_is_not_read(tiny_copy: Path) -> None:
    (tiny_copy / "notes.txt").write_text("secret")
    for name in ("notes.txt", "../tiny/tokenizer.json", "", None, 7):
        with pytest.raises(InputError, match="lists no file"):
            Bundle.open(tiny_copy).read(name)  # type: ignore[arg-type]
    assert Bundle.open(tiny_copy).read("manifest.json") == (tiny_copy / "manifest.json").read_bytes()


def relocated(graph: bytes, change: Callable[[onnx.TensorProto], None]) -> bytes:
    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            change(tensor)
    return model.SerializeToString()


def elsewhere(location: str) -> Callable[[onnx.TensorProto], None]:
    def change(tensor: onnx.TensorProto) -> None:
        next(entry for entry in tensor.external_data if entry.key == "location").value = location

    return change


@pytest.mark.parametrize("location", ["unlisted", "./weights.int8", "../tiny/weights.int8", "tokenizer.json", "", "/x"])
def test_weights_in_another_file_are_refused(tiny_copy: Path, record: Record, location: str) -> None:
    shutil.copy(tiny_copy / "weights.int8", tiny_copy / "unlisted")
    graph = (tiny_copy / "classifier.int8.onnx").read_bytes()
    record("classifier.int8.onnx", relocated(graph, elsewhere(location)))
    with pytest.raises(InferenceError, match=r"cannot load .*is in '.*', expected 'weights\.int8'"):
        Classifier.load(tiny_copy)


@pytest.mark.parametrize(("key", "value"), [("offset", "99999999"), ("length", "1"), ("offset", "-8"), ("offset", "x")])
def test_weights_at_a_place_that_there_is_not_are_refused(
    tiny_copy: Path, record: Record, key: str, value: str
) -> None:
    def change(tensor: onnx.TensorProto) -> None:
        next(entry for entry in tensor.external_data if entry.key == key).value = value

    graph = (tiny_copy / "classifier.int8.onnx").read_bytes()
    record("classifier.int8.onnx", relocated(graph, change))
    with pytest.raises(InferenceError, match=r"cannot load .*classifier\.int8\.onnx"):
        Classifier.load(tiny_copy)


def test_a_manifest_of_absurd_depth_or_size_is_refused(tiny_copy: Path, tiny: Path) -> None:
    text = (tiny / "manifest.json").read_text()
    for deep in ("[" * 900 + "]" * 900, "[" * 40 + "]" * 40, '{"a":' * 10**5 + "1" + "}" * 10**5):
        (tiny_copy / "manifest.json").write_text(text.replace('"quality": {', f'"quality": {{"deep": {{"a": {deep}}},'))
        with pytest.raises(ManifestError, match=r"manifest\.json, the file: expected JSON"):
            Classifier.load(tiny_copy)
    with (tiny_copy / "manifest.json").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    with pytest.raises(ManifestError, match=r"at most 16,777,216 bytes, got 1,099,511,627,776"):
        verify(tiny_copy)


def test_the_answers_are_those_of_the_file_itself(tiny: Path) -> None:
    """Tensors that onnxruntime is handed, against those that it reads."""
    from torchless.running.session import Session

    for precision in ("fp32", "int8"):
        encoder = Encoder.load(tiny, precision=precision)
        batch = encoder.tokenizer.encode(["good film", "bad"])
        of_the_file = Session(tiny / f"encoder.{precision}.onnx", device="cpu", threads=1).run(batch)
        np.testing.assert_array_equal(encoder.session.run(batch), of_the_file)
        assert encoder.session._session.tensors  # none of them was copied
