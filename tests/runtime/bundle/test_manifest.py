from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.bundle.manifest import Manifest
from torchless.errors import IncompatibleError, ManifestError

Sign = Callable[[dict[str, Any]], bytes]


@pytest.fixture
def fields(tiny: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tiny / "manifest.json").read_bytes())
    return content


def test_a_manifest_survives_a_round_trip(tiny: Path) -> None:
    data = (tiny / "manifest.json").read_bytes()
    manifest = Manifest.from_bytes(data)
    assert manifest.labels == ("negative", "neutral", "positive")
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert manifest.to_bytes() == data


def test_a_padded_manifest_survives_a_round_trip(sign: Sign, fields: dict[str, Any]) -> None:
    manifest = Manifest.from_bytes(sign({**fields, "layout": "padded", "padding_id": 1}))
    assert (manifest.layout, manifest.padding_id) == ("padded", 1)
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_left_truncation_is_the_second_version_of_the_format(sign: Sign, fields: dict[str, Any]) -> None:
    assert fields["format_version"] == 1
    manifest = Manifest.from_bytes(sign({**fields, "format_version": 2, "truncation_side": "left"}))
    assert manifest.truncation_side == "left"
    assert json.loads(manifest.to_bytes())["format_version"] == 2  # so that an older Torchless refuses it
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"labels": ["a", "b", 3]}, r"labels\[2\]: expected a string, got int 3"),
        ({"labels": "a"}, r'labels: expected a list, got str "a"'),
        ({"max_tokens": "512"}, r'max_tokens: expected a whole number, got str "512"'),
        ({"max_tokens": -1}, r"max_tokens: expected a whole number from 2 to 1000000, got int -1"),
        ({"max_tokens": 1}, r"max_tokens: expected a whole number from 2 to 1000000, got int 1"),
        ({"max_tokens": 10**30}, r"max_tokens: expected a whole number from 2 to 1000000, got int 1000"),
        ({"hidden_size": 0}, r"hidden_size: expected a whole number from 1 to 1000000, got int 0"),
        ({"format_version": 0}, r"format_version: expected a whole number from 1 to"),
        ({"labels": ["a", "b", "a"]}, r"labels\[2\]: expected a label that differs from the others, got 'a' again"),
        ({"labels": ["a", "b\ud800"]}, r"the file: expected JSON, got .*surrogates not allowed"),
        ({"created_by": "\udfff"}, r"the file: expected JSON, got .*surrogates not allowed"),
        ({"quality": {"a": 1}}, r"quality\.a: expected an object, got int 1"),
        ({"quality": {"a": {"b": float("nan")}}}, r"the file: expected JSON, got NaN is not a JSON number"),
        ({"variants": {}}, r"variants: expected one or more, got none"),
        ({"files": {}, "variants": {}}, r"variants: expected one or more, got none"),
        ({"max_tokens": True}, r"max_tokens: expected a whole number, got bool true"),
        ({"activation": "tanh"}, r"activation: expected one of softmax, sigmoid, none, got 'tanh'"),
        ({"default_precision": "fp16"}, r"default_precision: expected one of fp32, int8, got 'fp16'"),
        ({"source": []}, r"source: expected an object, got list \[\]"),
        ({"source": {"name": "x"}}, r"source\.architecture: expected a string, got nothing"),
        ({"files": {"../x": {"size_bytes": 1, "sha256": ""}}}, r"expected files that `files` lists"),
        ({"layout": "sparse"}, r"layout: expected one of packed, padded, got 'sparse'"),
        ({"layout": "padded", "padding_id": -1}, r"padding_id: expected a whole number from 0 to 1000000, got int -1"),
        ({"truncation_side": "both"}, r"truncation_side: expected one of right, left, got 'both'"),
        ({"format": "zip"}, r"format: expected one of torchless, got 'zip'"),
    ],
)
def test_a_wrong_field_is_named(sign: Sign, fields: dict[str, Any], change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint):
        Manifest.from_bytes(sign({**fields, **change}))


def test_a_missing_field_is_named(sign: Sign, fields: dict[str, Any]) -> None:
    del fields["hidden_size"]
    with pytest.raises(ManifestError, match="hidden_size: expected a whole number, got nothing"):
        Manifest.from_bytes(sign(fields))


@pytest.mark.parametrize(
    "name", ["../../secret", "a/b", "a\\b", ".", "..", "", "nul\0", "x" * 300, "é", "manifest.json"]
)
def test_a_file_outside_the_folder_is_refused(sign: Sign, fields: dict[str, Any], name: str) -> None:
    fields["files"][name] = {"size_bytes": 1, "sha256": "a" * 64}
    with pytest.raises(ManifestError, match="expected a file name in the bundle's own folder"):
        Manifest.from_bytes(sign(fields))


def moved(fields: dict[str, Any], folders: dict[str, str]) -> dict[str, Any]:
    """The same manifest in format 2, its files in folders by the beginnings of their names."""

    def place(name: str | None) -> str | None:
        return next((f"{folder}/{name}" for start, folder in folders.items() if name and name.startswith(start)), name)

    variants = {key: {kind: place(name) for kind, name in each.items()} for key, each in fields["variants"].items()}
    files = {place(name): record for name, record in fields["files"].items()}
    return {**fields, "format_version": 2, "variants": variants, "files": files}


ONNX = {"classifier": "onnx", "encoder": "onnx", "weights": "onnx"}


def test_files_in_a_folder_are_the_second_version_of_the_format(sign: Sign, fields: dict[str, Any]) -> None:
    manifest = Manifest.from_bytes(sign(moved(fields, ONNX)))
    assert manifest.variants["fp32"].weights == "onnx/weights.fp32"
    assert json.loads(manifest.to_bytes())["format_version"] == 2
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../x", "a/..", "a/.", "./x", "/x", "//x", "a//x", "a/b/x", "a/", "a\\x", "a/x\\y", "C:/x", "a/\0"),
        *("a/.x", ".a/x", "-a/x", "a/" + "x" * 300, "a/x\n", "manifest.json/x", "tokenizer.json/x"),
    ],
)
def test_a_file_outside_the_folders_is_refused(sign: Sign, fields: dict[str, Any], name: str) -> None:
    fields["files"][name] = {"size_bytes": 1, "sha256": "a" * 64}
    with pytest.raises(ManifestError, match="expected a file name in the bundle's own folder, or in one folder of it"):
        Manifest.from_bytes(sign({**fields, "format_version": 2}))


def test_a_variant_s_files_lie_in_one_folder(sign: Sign, fields: dict[str, Any]) -> None:
    with pytest.raises(
        ManifestError, match=r"variants\.fp32: expected files of one folder, got a/weights\.fp32, onnx/"
    ):
        Manifest.from_bytes(sign(moved(fields, {**ONNX, "weights": "a"})))


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"size_bytes": 1, "sha256": "0" * 63}, r"sha256: expected 64 hexadecimal digits"),
        ({"size_bytes": 1, "sha256": "G" * 64}, r"sha256: expected 64 hexadecimal digits"),
        ({"size_bytes": -1, "sha256": "a" * 64}, r"size_bytes: expected a whole number from 0"),
        (7, r"files\.x\.bin: expected an object, got int 7"),
    ],
)
def test_a_wrong_record_of_a_file_is_named(sign: Sign, fields: dict[str, Any], record: object, complaint: str) -> None:
    fields["files"]["x.bin"] = record
    with pytest.raises(ManifestError, match=complaint):
        Manifest.from_bytes(sign(fields))


def test_a_bundle_without_a_tokenizer_is_refused(sign: Sign, fields: dict[str, Any]) -> None:
    del fields["files"]["tokenizer.json"]
    with pytest.raises(ManifestError, match=r"files: expected tokenizer\.json among them"):
        Manifest.from_bytes(sign(fields))


def test_a_key_that_stands_there_twice_is_refused(sign: Sign, fields: dict[str, Any]) -> None:
    data = sign(fields).replace(b'{"format"', b'{"format": "torchless", "format"', 1)
    with pytest.raises(ManifestError, match="the key 'format' is repeated"):
        Manifest.from_bytes(data)


@pytest.mark.parametrize("digest", ["\ud800", "0" * 63, 5])
def test_a_manifest_without_a_digest_of_its_own_is_refused(fields: dict[str, Any], digest: object) -> None:
    with pytest.raises(ManifestError, match=r"manifest_sha256|surrogates"):
        Manifest.from_bytes(json.dumps({**fields, "manifest_sha256": digest}).encode())


def test_a_newer_format_asks_for_an_upgrade(sign: Sign, fields: dict[str, Any]) -> None:
    with pytest.raises(IncompatibleError, match=r"reads up to 2, got 3\. Upgrade it with: pip install -U torchless"):
        Manifest.from_bytes(sign({**fields, "format_version": 3}))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"null", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError, match="the file: expected"):
        Manifest.from_bytes(data)


def test_an_edited_manifest_is_refused(sign: Sign, fields: dict[str, Any]) -> None:
    data = sign(fields).replace(b'"negative"', b'"positive"', 1)
    with pytest.raises(ManifestError, match="altered after export"):
        Manifest.from_bytes(data)


def tagger(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    variants = {
        name: {**variant, "classifier": None, "token_classifier": variant["classifier"]}
        for name, variant in fields["variants"].items()
    }
    return {**fields, "format_version": 2, "variants": variants, **changes}


def test_a_head_for_tokens_is_the_second_version_of_the_format(sign: Sign, fields: dict[str, Any]) -> None:
    assert Manifest.from_bytes(sign(fields)).kind == "classifier"
    manifest = Manifest.from_bytes(sign(tagger(fields)))
    assert manifest.kind == "token_classifier"
    assert manifest.columns("token_classifier") == 3
    assert manifest.variants["fp32"].graphs("token_classifier") == ("classifier.fp32.onnx", None)
    assert "token_classifier" in json.loads(manifest.to_bytes())["variants"]["fp32"]
    assert json.loads(manifest.to_bytes())["format_version"] == 2  # so that an older Torchless refuses it
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format_version": 1}, "format_version: expected 2, with a token_classifier, got 1"),
        ({"labels": []}, "labels: expected one or more, with a token_classifier, got none"),
        ({"activation": "sigmoid"}, "activation: expected softmax, with a token_classifier, got 'sigmoid'"),
    ],
)
def test_a_head_for_tokens_says_all_that_it_needs(
    sign: Sign, fields: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ManifestError, match=complaint):
        Manifest.from_bytes(sign(tagger(fields, **change)))


def test_a_bundle_has_one_kind_of_head(sign: Sign, fields: dict[str, Any]) -> None:
    both, mixed, missing = tagger(fields), tagger(fields), tagger(fields)
    both["variants"]["fp32"]["classifier"] = "classifier.fp32.onnx"
    with pytest.raises(ManifestError, match=r"variants\.fp32: expected a classifier or a token_classifier, got both"):
        Manifest.from_bytes(sign(both))
    mixed["variants"]["int8"] = fields["variants"]["int8"]
    with pytest.raises(ManifestError, match=r"variants\.int8: expected a classifier or a token_classifier, got both"):
        Manifest.from_bytes(sign(mixed))
    missing["variants"]["int8"]["token_classifier"] = None
    with pytest.raises(ManifestError, match=r"variants\.int8: expected a token_classifier, as in the other variants"):
        Manifest.from_bytes(sign(missing))
