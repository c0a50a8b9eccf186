"""Checkpoints as people have them, sound and otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from torchless import Classifier
from torchless.errors import MissingExtraError
from torchless_export import ExportReport, export
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError, ParityError, UnsupportedModelError

Configure = Callable[..., None]
Exported = tuple[Path, Path, ExportReport]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return tensors


def save(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def logits(folder: Path, out: Path) -> Any:
    export(folder, out, precisions=["fp32"])
    return Classifier.load(out).logits(["good", "a bad film"])


@pytest.fixture(scope="module")
def expected(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The logits of the checkpoint as it is."""
    return logits(checkpoint, tmp_path_factory.mktemp("expected") / "bundle")


def test_a_pickle_of_tensors_reads_like_safetensors(expected: Any, broken: Path, tmp_path: Path) -> None:
    torch.save(weights(broken), broken / "pytorch_model.bin")
    (broken / "model.safetensors").unlink()
    np.testing.assert_array_equal(logits(broken, tmp_path / "out"), expected)


def test_a_pickle_that_would_run_code_is_refused(broken: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("gotcha",)

    torch.save({"x": Trap()}, broken / "pytorch_model.bin")
    (broken / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: not a file of tensors alone"):
        export(broken, tmp_path / "out")


def test_shards_are_put_together(expected: Any, broken: Path, tmp_path: Path) -> None:
    tensors = weights(broken)
    names = sorted(tensors)
    (broken / "model.safetensors").unlink()
    index = {}
    for shard, part in (("model-1.safetensors", names[:20]), ("model-2.safetensors", names[20:])):
        save_file({name: tensors[name] for name in part}, broken / shard, metadata={"format": "pt"})
        index |= dict.fromkeys(part, shard)
    (broken / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    np.testing.assert_array_equal(logits(broken, tmp_path / "out"), expected)
    (broken / "model-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"names shards that are not there: model-2\.safetensors"):
        export(broken, tmp_path / "other")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_read_as_float32(broken: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    save({name: tensor.to(dtype) for name, tensor in weights(broken).items()}, broken)
    assert logits(broken, tmp_path / "out").dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "softmax"),
        ({"problem_type": "single_label_classification"}, "softmax"),
        ({"problem_type": "multi_label_classification"}, "sigmoid"),
        ({"problem_type": "regression"}, "none"),
        ({"id2label": {"0": "score"}}, "sigmoid"),
        ({"id2label": {"0": "score"}, "problem_type": "regression"}, "none"),
        ({"function_to_apply": "none"}, "softmax"),
    ],
)
def test_scores_are_made_as_the_pipeline_makes_them(
    broken: Path, configure: Configure, changes: dict[str, Any], expected: str
) -> None:
    configure(**changes)
    assert Checkpoint.open(str(broken)).activation == expected


def test_labels_without_names_are_numbered(broken: Path, configure: Configure) -> None:
    configure(id2label=None, label2id=None, num_labels=3)
    assert Checkpoint.open(str(broken)).labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def refused(folder: Path, out: Path, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        export(folder, out)
    assert not out.exists()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", tmp_path / "out", CheckpointError, "no checkpoint at .*nowhere")


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path / "out", CheckpointError, r"the folder has no config\.json")


def test_a_hub_id_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    both = r"pip install 'torchless\[hub\]' \(from a clone: pip install '\.\[hub\]'\)"
    with pytest.raises(MissingExtraError, match=both):
        export("someone/something", tmp_path / "out")


def test_a_hub_that_is_out_of_reach_is_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torchless", "export", "someone/something-not-cached", str(tmp_path / "out")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "torchless: no checkpoint someone/something-not-cached" in done.stderr
    assert "Traceback" not in done.stderr


def test_safetensors_cut_short_are_named(broken: Path, tmp_path: Path) -> None:
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    refused(broken, tmp_path / "out", CheckpointError, r"model\.safetensors: damaged or cut short")


def test_a_checkpoint_without_weights_is_named(broken: Path, tmp_path: Path) -> None:
    (broken / "model.safetensors").unlink()
    refused(broken, tmp_path / "out", CheckpointError, r"no weights; expected model\.safetensors or pytorch_model\.bin")


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ({"00": "a", "1": "b", "2": "c"}, "got none for 0, and one for '00'"),
        ({"0": "a", " 1 ": "b", "2": "c"}, "got none for 1, and one for ' 1 '"),
        ({"0": "a", "1": "b", "\u0662": "c"}, "got none for 2, and one for"),
        ({"0": "a", "1": "b", "1" * 5000: "c"}, "got none for 2, and one for '11"),
        ({str(index + 1): "x" * 1000 for index in range(10_000)}, "got none for 0, and one for '10000'"),
        ({"0": None, "1": "b", "2": "c"}, r"\.0: expected a name, got None"),
        ({"0": "a", "1": ["b"], "2": "c"}, r"\.1: expected a name, got \['b'\]"),
        (
            {"0": "a", "1": "b" * 10**6, "2": "c"},
            r"\.1: expected a name of at most 1,000 characters, got 1,000,000",
        ),
    ],
    ids=["zeros", "blanks", "digits", "long", "many", "null", "list", "name"],
)
def test_label_names_are_named_where_they_are_none(
    broken: Path, configure: Configure, labels: dict[str, Any], complaint: str
) -> None:
    configure(id2label=labels)
    with pytest.raises(CheckpointError, match=rf"config\.json, id2label.*{complaint}") as caught:
        Checkpoint.open(str(broken)).labels  # noqa: B018
    assert len(str(caught.value)) < 500


def test_numbers_are_names_of_labels_too(broken: Path, configure: Configure) -> None:
    configure(id2label={"1": 1, "0": 0.5, "2": True})
    assert Checkpoint.open(str(broken)).labels == ("0.5", "1", "True")


@pytest.mark.parametrize("labels", [{"0": "a", "1": "b"}, {"0": "a", "2": "b", "3": "c"}, {"x": "a"}])
def test_labels_that_do_not_fit_are_refused(
    broken: Path, configure: Configure, tmp_path: Path, labels: dict[str, str]
) -> None:
    configure(id2label=labels)
    refused(broken, tmp_path / "out", CheckpointError, "id2label")


def test_damaged_json_is_named(broken: Path, tmp_path: Path) -> None:
    (broken / "config.json").write_text("{")
    refused(broken, tmp_path / "out", CheckpointError, r"config\.json: not JSON")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("license: mit", "mit"),
        ('license: "mit"  # yes', "mit"),
        ("license: [mit, 'apache-2.0']", "mit, apache-2.0"),
        ("license:\n  - mit\n  - apache-2.0", "mit, apache-2.0"),
        ("license:\n- mit", "mit"),
        ("license:", None),
        ("tags:\n- license: mit", None),
    ],
)
def test_the_licence_is_read_from_the_card(broken: Path, line: str, expected: str | None) -> None:
    (broken / "README.md").write_text(f"---\nlanguage: en\n{line}\nmetrics: [f1]\n---\n# A model\n")
    assert Checkpoint.open(str(broken)).source.license == expected


def test_an_adapter_is_to_be_merged_first(broken: Path, tmp_path: Path) -> None:
    (broken / "config.json").unlink()
    (broken / "model.safetensors").rename(broken / "adapter_model.safetensors")
    (broken / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "x"}')
    refused(broken, tmp_path / "out", CheckpointError, "is a PEFT adapter.*Merge it into its base model first")


def test_code_that_a_checkpoint_brings_along_is_refused(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(auto_map={"AutoModelForSequenceClassification": "modeling_evil.Evil"})
    (broken / "modeling_evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    refused(broken, tmp_path / "out", UnsupportedModelError, r"auto_map: .*modeling_evil\.Evil.*--trust-remote-code")
    assert not (tmp_path / "ran").exists()


def test_code_is_refused_with_what_transformers_has_itself(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(auto_map={"AutoConfig": "x.Config"})
    refused(
        broken, tmp_path / "out", UnsupportedModelError, r"auto_map: .* Or remove auto_map from a copy: transformers"
    )
    configure(auto_map={"AutoConfig": "x.Config"}, model_type="nobodys")
    with pytest.raises(UnsupportedModelError, match=r"--trust-remote-code\. A bundle"):
        export(broken, tmp_path / "out")


def test_code_in_another_repository_is_fetched_before_a_folder_is_exported(
    broken: Path, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    configure(auto_map={"AutoModelForSequenceClassification": "other/code--modeling_mine.Mine"})
    with pytest.raises(CheckpointError, match=r"is in other/code, .*: hf download other/code --include '\*\.py'"):
        export(broken, tmp_path / "out", trust_remote_code=True)


@pytest.fixture
def with_own_code(broken: Path, configure: Configure) -> Path:
    """A checkpoint whose own code answers something else than its architecture."""
    configure(auto_map={"AutoModelForSequenceClassification": "modeling_mine.Mine"})
    (broken / "modeling_mine.py").write_text(
        "from transformers import DistilBertForSequenceClassification\n"
        "class Mine(DistilBertForSequenceClassification):\n"
        "    def forward(self, input_ids=None, attention_mask=None, **kwargs):\n"
        "        answer = super().forward(input_ids, attention_mask)\n"
        "        answer.logits = answer.logits + 1\n"
        "        return answer\n"
    )
    return broken


def test_code_that_is_trusted_runs_and_must_still_agree(with_own_code: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="logits differ by 1"):
        export(with_own_code, tmp_path / "out", trust_remote_code=True, graph="packed")
    assert not (tmp_path / "out").exists()


@pytest.mark.optimum
def test_what_code_of_its_own_computes_is_traced(with_own_code: Path, checkpoint: Path, tmp_path: Path) -> None:
    export(with_own_code, tmp_path / "out", trust_remote_code=True)
    export(checkpoint, tmp_path / "plain", precisions=["fp32"])
    ours, plain = (Classifier.load(tmp_path / name).logits(["good"]) for name in ("out", "plain"))
    np.testing.assert_allclose(ours, plain + 1, atol=1e-4)


def test_a_number_of_labels_that_is_null_is_named(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(id2label=None, label2id=None)
    path = broken / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_labels": None}))
    with pytest.raises(CheckpointError, match=r"config\.json, num_labels: expected a whole number above 0, got null"):
        export(broken, tmp_path / "out")


def test_a_head_without_label_names_gets_numbered_ones(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(id2label=None, label2id=None)
    export(broken, tmp_path / "out", precisions=["fp32"])
    assert Classifier.load(tmp_path / "out").labels == ("LABEL_0", "LABEL_1", "LABEL_2")
