"""int8 beside PyTorch on trained models: the figures, the sets, the bodies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torchless.errors import InputError
from torchless.inputs.arguments import TextPair
from torchless_bench.contenders import openvino
from torchless_bench.contenders.contender import Setup
from torchless_bench.contenders.tables import INT8_CLASSIFIERS
from torchless_bench.exactness import datasets, ranking
from torchless_bench.exactness.bodies import ARCHITECTURES, write_as
from torchless_bench.exactness.measures import Exactness, metric
from torchless_bench.exactness.models import TrainedModel
from torchless_bench.exactness.width import twice_as_wide


def test_nncf_is_judged_with_its_floats_in_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By default OpenVINO computes them in bf16 on some CPUs, which changes more labels than NNCF's int8 does."""
    assert [each.load for each in INT8_CLASSIFIERS if "openvino" in each.name] == [
        "torchless_bench.contenders.openvino:load_int8_float32"
    ]
    given = []
    monkeypatch.setattr(openvino, "_quantised", lambda _, options: given.append(options))
    openvino.load_int8_float32(Setup(tmp_path, tmp_path, tmp_path, threads=1))
    assert given == [{"INFERENCE_PRECISION_HINT": "f32"}]


def test_changed_labels_and_differences_are_taken_from_pytorch_and_the_metric_from_the_right_answers() -> None:
    targets = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    exact = np.array([[2, 0], [0, 2], [1, 0]], np.float32)
    logits = np.array([[2, 0], [1, 0], [0, 1]], np.float32)
    found = Exactness.of("single_label_classification", targets, exact, logits, ms=1.0)
    assert found.changed is not None
    assert found.changed.tolist() == [False, True, True]
    assert found.metric == pytest.approx(2 / 3)
    assert found.mean_difference == pytest.approx(5 / 6)


def test_several_labels_are_judged_by_f1_and_numbers_by_correlation() -> None:
    targets = np.array([[1, 1, 0], [0, 0, 1]], np.float32)
    assert metric("multi_label_classification", targets, np.array([[3, -1, -1], [-1, -1, 2]])) == pytest.approx(0.8)
    numbers = np.array([[1], [2], [4]], np.float32)
    assert metric("regression", numbers, 3 * numbers + 1) == pytest.approx(1)


def test_sets_are_read_as_their_authors_publish_them(tmp_path: Path) -> None:
    emotion, several, pairs = (tmp_path / name for name in ("emotion", "goemotions", "stsb"))
    for folder in (emotion, several, pairs):
        folder.mkdir()
    for part in ("train", "test"):
        (emotion / f"{part}.tsv").write_text('text\tlabel\n"quoted" lone\tjoy\nno\tanger\n', encoding="utf-8")
    (several / "dev.tsv").write_text("a\t0,2\tx\n" * 4, encoding="utf-8")
    (several / "labels.txt").write_text("joy\nanger\nfear\n", encoding="utf-8")
    (pairs / "sts-dev.tsv").write_text("g\tf\ty\t1\t2.5\tone\tother\n" * 5, encoding="utf-8")
    read = datasets.read("emotion", tmp_path)
    assert read.labels == ("anger", "joy")
    assert read.test.texts == ['"quoted" lone', "no"]
    assert read.test.targets == [[0, 1], [1, 0]]
    assert datasets.read("goemotions", tmp_path).train.targets == [[1, 0, 1]] * 3
    similar = datasets.read("stsb", tmp_path)
    assert similar.train.texts[0] == TextPair("one", "other")
    assert similar.test.targets == [[2.5], [2.5]]
    with pytest.raises(InputError, match="expected some of emotion"):
        datasets.read("imdb", tmp_path)
    with pytest.raises(InputError, match=r"trec.*No such file"):
        datasets.read("trec", tmp_path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_body_says_the_same_as_another_architecture(architecture: str) -> None:
    """ModernBERT shares the words alone; DeBERTa's and MPNet's relative positions begin at random."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    bert = transformers.BertModel(transformers.BertConfig(vocab_size=200, **sizes)).eval()
    model = write_as(architecture, bert, {"num_labels": 3}).eval()
    ids = torch.tensor([[101, 7, 42, 102]])
    with torch.inference_mode():
        assert model(input_ids=ids).logits.shape == (1, 3)
        if architecture in ("bert", "distilbert", "roberta", "electra"):
            states = getattr(model, model.base_model_prefix)(input_ids=ids).last_hidden_state
            assert torch.allclose(states, bert(input_ids=ids).last_hidden_state, atol=1e-4)


def test_a_body_twice_as_wide_computes_the_same_twice() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    bert = transformers.BertModel(transformers.BertConfig(vocab_size=200, **sizes)).eval()
    wide = twice_as_wide(bert).eval()
    ids = torch.tensor([[101, 7, 42, 102]])
    with torch.inference_mode():
        states, found = bert(input_ids=ids), wide(input_ids=ids)
    assert torch.allclose(found.last_hidden_state, states.last_hidden_state.repeat(1, 1, 2), atol=1e-5)
    assert torch.allclose(found.pooler_output, states.pooler_output.repeat(1, 2), atol=1e-5)
    assert not torch.equal(*wide.encoder.layer[0].output.dense.weight.chunk(2, dim=1))  # or both would learn the same


def test_spearman_compares_orders_and_ties_share_their_ranks() -> None:
    numbers = np.array([1.0, 2.0, 2.0, 10.0])
    assert ranking.spearman(numbers, np.exp(numbers)) == pytest.approx(1)
    assert ranking.spearman(numbers, np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.9486832981)  # scipy's
    assert ranking.pearson(numbers, 3 * numbers + 1) == pytest.approx(1)


def test_a_set_without_scores_of_pairs_has_no_correlation(tmp_path: Path) -> None:
    rows = datasets.Rows(["one", "two"], [[1.0], [2.0]])
    model = TrainedModel("emotion:bert", tmp_path, datasets.Dataset("regression", ("a",), rows, rows))
    with pytest.raises(InputError, match="expected a set that scores pairs, such as stsb, got emotion:bert"):
        ranking.markdown(model)
