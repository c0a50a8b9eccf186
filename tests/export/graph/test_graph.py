"""One graph, node by node, and the file that its tensors lie in."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from torchless_export.checkpoint import Checkpoint
from torchless_export.families import FAMILIES
from torchless_export.graph import build
from torchless_export.precision.fp32 import Fp32
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors
from torchless_export.weights import WeightsFile


@pytest.fixture(scope="module")
def spec(checkpoint: Path) -> EncoderSpec:
    opened = Checkpoint.open(str(checkpoint))
    return FAMILIES["distilbert"](opened.config, Tensors(opened.weights(), "here"), "classifier")


@pytest.mark.parametrize("head", [True, False])
def test_a_graph_is_valid_onnx_but_for_its_contrib_operators(spec: EncoderSpec, head: bool) -> None:
    model = build(spec, Fp32(), WeightsFile("weights"), head=head)
    names = [name for node in model.graph.node for name in node.output]
    assert len(names) == len(set(names))
    assert {opset.domain for opset in model.opset_import} == {"", "com.microsoft"}
    inputs = {node.name for node in model.graph.input}
    assert ("first" in inputs) == head
    assert [node.name for node in model.graph.output] == ["logits" if head else "hidden_states"]


def test_tensors_are_aligned_for_mapping_and_stored_once(spec: EncoderSpec) -> None:
    weights = WeightsFile("weights")
    graphs = [build(spec, Fp32(), weights, head=head) for head in (True, False)]
    places = []
    for model in graphs:
        for tensor in model.graph.initializer:
            data = {entry.key: entry.value for entry in tensor.external_data}
            if data:
                places.append((tensor.name, int(data["offset"]), int(data["length"])))
                assert places[-1][1] % (4096 if places[-1][2] >= 4096 else 64) == 0
    once = sorted(set(places), key=lambda place: place[1])
    assert len({name for name, *_ in places}) == len(once)
    for (_, offset, length), (_, following, _) in pairwise(once):
        assert offset + length <= following
