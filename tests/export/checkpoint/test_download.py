"""A checkpoint on the Hub, exported from there."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from torchless import Bundle
from torchless.cli import main


@pytest.fixture
def hub(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Hub that transformers asks, as if HF_ENDPOINT and HF_HOME had been set when it was imported."""
    download = partial(huggingface_hub.snapshot_download, endpoint=hub.url, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return hub


def test_a_checkpoint_of_the_hub_is_recorded_with_its_commit(hub: Any, checkpoint: Path, tmp_path: Path) -> None:
    commit = hub.add("someone/classifier", checkpoint, branch="v1")
    hub.repositories["someone/classifier"].commit({"config.json": b"{}"}, "main")
    out = str(tmp_path / "out")
    assert main(["export", "someone/classifier", out, "--revision", "v1", "--precision", "fp32"]) == 0
    source = Bundle.open(out).manifest.source
    assert (source.name, source.revision) == ("someone/classifier", commit)


def test_the_part_with_the_weights_is_fetched_too(hub: Any, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(checkpoint, folder / "0_Transformer")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    kinds = {"Transformer": "0_Transformer", "Pooling": "1_Pooling"}
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for kind, path in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(listed))
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hub.repositories["someone/encoder"].commit(files, "main")
    out = str(tmp_path / "out")
    assert main(["export", "someone/encoder", out, "--encoder-only", "--precision", "fp32"]) == 0
    assert Bundle.open(out).manifest.pooling == "cls"
