"""A checkpoint on the Hub, exported from there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file

from torchless import Bundle
from torchless.cli import main
from torchless_export import export
from torchless_export.errors import CheckpointError, UnsupportedModelError


@pytest.fixture
def hub(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Hub that transformers asks, as if HF_ENDPOINT and HF_HOME had been set when it was imported."""
    download = partial(huggingface_hub.snapshot_download, endpoint=hub.url, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub, "list_repo_files", huggingface_hub.HfApi(hub.url).list_repo_files)
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


def test_pickles_and_variants_stay_on_the_hub_where_there_are_safetensors(
    hub: Any, checkpoint: Path, tmp_path: Path
) -> None:
    hub.add("someone/classifier", checkpoint)
    more = ("pytorch_model.bin", "model.fp16.safetensors", "model.fp16-00001-of-00002.safetensors", "rust_model.ot")
    hub.repositories["someone/classifier"].commit(dict.fromkeys(more, b"x"), "main")
    assert main(["export", "someone/classifier", str(tmp_path / "out"), "--precision", "fp32"]) == 0
    assert "model.safetensors" in hub.downloads()
    assert not set(more) & set(hub.downloads())


def test_a_pickle_is_fetched_where_there_is_nothing_else(hub: Any, broken: Path, tmp_path: Path) -> None:
    torch.save(load_file(broken / "model.safetensors"), broken / "pytorch_model.bin")
    (broken / "model.safetensors").unlink()
    hub.add("someone/classifier", broken)
    assert main(["export", "someone/classifier", str(tmp_path / "out"), "--precision", "fp32"]) == 0


def test_an_adapter_of_the_hub_is_told_to_be_merged(hub: Any, tmp_path: Path) -> None:
    files = {"adapter_config.json": b'{"task_type": "SEQ_CLS"}', "adapter_model.safetensors": b"x"}
    hub.repositories["someone/adapter"].commit(files, "main")
    with pytest.raises(CheckpointError, match="is a PEFT adapter"):
        export("someone/adapter", tmp_path / "out")


@pytest.mark.parametrize(("file", "advice"), [("tf_model.h5", "is not PyTorch's"), ("onnx/model.onnx", "is a graph")])
def test_weights_of_others_are_named(hub: Any, broken: Path, tmp_path: Path, file: str, advice: str) -> None:
    (broken / "model.safetensors").unlink()
    hub.add("someone/classifier", broken)
    hub.repositories["someone/classifier"].commit({file: b"x"}, "main")
    with pytest.raises(CheckpointError, match=rf"someone/classifier: no weights; .* {file} {advice}"):
        export("someone/classifier", tmp_path / "out")
    assert file not in hub.downloads()


def test_advice_about_a_file_says_to_copy_it_out_of_the_cache_first(
    hub: Any, broken: Path, configure: Callable[..., None], tmp_path: Path
) -> None:
    configure(sentence_transformers={"activation_fn": "mine.Tanh"})
    hub.add("someone/classifier", broken)
    with pytest.raises(UnsupportedModelError, match=r"Remove the field .*hf download someone/classifier --local-dir"):
        export("someone/classifier", tmp_path / "out")
    with pytest.raises(UnsupportedModelError, match=r"pipeline makes them\.$"):
        export(broken, tmp_path / "out")


def test_code_of_another_repository_is_fetched_too(
    hub: Any, broken: Path, configure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("transformers.utils.hub.TRANSFORMERS_CACHE", "huggingface_hub.constants.HF_HUB_CACHE"):
        monkeypatch.setattr(name, str(tmp_path / "cache"), raising=False)
    code = b"from .more import Body\n\n\nclass Mine(Body):\n    pass\n"
    more = b"from transformers import DistilBertForSequenceClassification as Body\n"
    files = {"modeling_mine.py": code, "more.py": more, "model.safetensors": b"x"}
    commit = hub.repositories["other/code"].commit(files)
    configure(auto_map={"AutoModelForSequenceClassification": "other/code--modeling_mine.Mine"})
    hub.add("someone/classifier", broken)
    said: list[str] = []
    options: dict[str, Any] = {"graph": "packed", "trust_remote_code": True, "say": said.append}
    export("someone/classifier", tmp_path / "out", precisions=["fp32"], **options)
    assert f"running the code of other/code@{commit}" in said
    assert [name for name in hub.downloads() if name.endswith(".py")] == ["modeling_mine.py", "more.py"]
