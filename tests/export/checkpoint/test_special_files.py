"""What has the name of a checkpoint's file is a file of that kind, of a size and depth that such files have."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from torchless_export.checkpoint import Checkpoint, files
from torchless_export.checkpoint.front_matter import front_matter
from torchless_export.checkpoint.tokenizer_files import check_tokenizer_files
from torchless_export.errors import CheckpointError

_NAMES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"),
    *("model.safetensors", "modules.json", "adapter_config.json", "config_sentence_transformers.json"),
)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a link to nothing"])
def test_what_is_no_file_is_named_and_not_opened(broken: Path, name: str, kind: str) -> None:
    (broken / name).unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(broken / name)
    elif kind == "a folder":
        (broken / name).mkdir()
    else:
        (broken / name).symlink_to("/dev/zero" if kind == "a device" else "nowhere")
    with pytest.raises(CheckpointError, match=rf"{name}: expected a file, got {kind}"):
        Checkpoint.open(str(broken)).transformers_tokenizer  # noqa: B018


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}", "more than 32 objects and arrays inside one another"),
        (b'{"x": "' + b"a" * (16 << 20) + b'"}', "expected at most 16,777,216 bytes, got 16,777,225"),
        (b"\xef\xbb\xbf{}", "expected UTF-8 without a byte order mark, got a byte order mark"),
        ("{}".encode("utf-16"), "expected UTF-8 without a byte order mark, got UTF-16"),
    ],
    ids=["deep", "large", "mark", "utf-16"],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "added_tokens.json"])
def test_json_that_transformers_could_not_read_is_named(
    broken: Path, name: str, content: bytes, complaint: str
) -> None:
    if name == "added_tokens.json":  # of the past where tokenizer_config.json has its tokens
        (broken / "tokenizer_config.json").write_text("{}")
    (broken / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name}: .*{complaint}"):
        Checkpoint.open(str(broken)).transformers_tokenizer  # noqa: B018


def test_a_vocabulary_larger_than_any_is_refused_before_it_is_read(broken: Path) -> None:
    with (broken / "tokenizer.json").open("ab") as file:
        file.truncate(files.MOST_BYTES_OF_VOCABULARY + 1)  # a hole, which takes no space
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: expected at most 268,435,456 bytes"):
        check_tokenizer_files(broken)


def test_of_a_card_only_the_beginning_is_read(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    with card.open("w") as file:
        file.write("---\nlicense: mit\n---\n" + "é" * 40_000)
        file.truncate(8 << 30)
    assert front_matter(card) == {"license": "mit"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_no_model_needs_may_be_anything(broken: Path) -> None:
    """Tools that fetch large files later leave links to nothing."""
    fields = json.loads((broken / "tokenizer_config.json").read_text())
    (broken / "tokenizer_config.json").write_text(json.dumps({**fields, "added_tokens_decoder": {}}))
    (broken / "added_tokens.json").write_text("")
    (broken / "logs.txt").mkdir()
    (broken / "trainer_state.json").symlink_to("nowhere")
    os.mkfifo(broken / "README.md")
    assert Checkpoint.open(str(broken)).source.license is None
    check_tokenizer_files(broken)


def test_settings_of_a_usual_depth_are_read(broken: Path) -> None:
    fields = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**fields, "x": [{"y": [{"z": []}]}]}))
    assert Checkpoint.open(str(broken)).config["x"] == [{"y": [{"z": []}]}]
