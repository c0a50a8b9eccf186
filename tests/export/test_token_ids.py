"""The bundle's tokenizer is compared with the checkpoint's own on thousands of texts."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from torchless import Bundle
from torchless.bundle.manifest import FileRecord
from torchless_export import export, tokenizer_texts
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError, ParityError
from torchless_export.reference import Reference
from torchless_export.token_ids import first_difference

from .conftest import Exported


@pytest.fixture(scope="module")
def exported(exported_random: Callable[[str], Exported]) -> Exported:
    return exported_random("bert")


@pytest.fixture(scope="module")
def reference(exported: Exported) -> Reference:
    return Reference(Checkpoint.open(str(exported[0])), 64, "classifier")


def bundle_with(exported: Exported, folder: Path, **tokenizer: Any) -> Bundle:
    """The exported bundle with other fields in its tokenizer.json; only the tokenizer can be read from it."""
    content = json.loads((exported[1] / "tokenizer.json").read_text(encoding="utf-8"))
    data = json.dumps({**content, **tokenizer}).encode()
    (folder / "tokenizer.json").write_bytes(data)
    manifest = Bundle.open(exported[1]).manifest
    record = FileRecord(len(data), hashlib.sha256(data).hexdigest())
    return Bundle(folder, replace(manifest, files={**manifest.files, "tokenizer.json": record}))


def test_thousands_of_texts_take_seconds(exported: Exported, reference: Reference) -> None:
    texts = tokenizer_texts.singles(reference.tokenizer, 64)
    assert len(texts) > 2000
    assert texts == tokenizer_texts.singles(reference.tokenizer, 64)
    for part in ("\x00", "\U0001f468\u200d", "[SEP]", "\u0634", "\U00020000"):
        assert any(part in text for text in texts), part
    begun = time.process_time()
    assert first_difference(Bundle.open(exported[1]), reference) is None
    assert time.process_time() - begun < 20  # 2 s where nothing else runs


def test_another_normaliser_is_named_with_the_text_and_both_ids(
    exported: Exported, reference: Reference, tmp_path: Path
) -> None:
    found = first_difference(bundle_with(exported, tmp_path, normalizer=None), reference)
    assert found is not None
    assert "in transformers, [" in found
    assert "compare tokenizer_config.json with tokenizer.json" in found


def test_another_side_shows_only_in_texts_that_are_too_long(exported: Exported, reference: Reference) -> None:
    bundle = Bundle.open(exported[1])
    other = Bundle(bundle.path, replace(bundle.manifest, truncation_side="left"))
    found = first_difference(other, reference)
    assert found is not None
    assert "of 64 and 64 on" in found


def test_other_types_of_a_pair_are_named(exported: Exported, reference: Reference, tmp_path: Path) -> None:
    template = json.loads((exported[1] / "tokenizer.json").read_text(encoding="utf-8"))["post_processor"]
    flat = json.loads(json.dumps(template).replace('"type_id": 1', '"type_id": 0'))
    found = first_difference(bundle_with(exported, tmp_path, post_processor=flat), reference)
    assert found is not None
    assert "has the types [1" in found
    assert found.startswith("the pair of ")


def test_a_tokenizer_that_fails_names_the_text(exported: Exported, reference: Reference, tmp_path: Path) -> None:
    content = json.loads((exported[1] / "tokenizer.json").read_text(encoding="utf-8"))
    bundle = bundle_with(exported, tmp_path, model={**content["model"], "unk_token": "[NONE]"})
    with pytest.raises(CheckpointError, match=r"the tokenizer fails on .*Missing"):
        first_difference(bundle, reference)


def test_an_export_with_other_ids_fails(broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_lowercase(checkpoint: Checkpoint) -> bytes:
        return tokenizer_json(checkpoint).replace(b'"lowercase":true', b'"lowercase":false')

    tokenizer_json = Checkpoint.tokenizer_json
    monkeypatch.setattr(Checkpoint, "tokenizer_json", without_lowercase)
    with pytest.raises(ParityError, match=r"token ids differ: .* has the ids \[.*\] in transformers, \[.*\] here"):
        export(broken, tmp_path / "out", precisions=["fp32"])
