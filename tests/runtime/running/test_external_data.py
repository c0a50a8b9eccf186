"""Graphs without external data, as protobuf reads them."""

from __future__ import annotations

import numpy as np
import pytest

from torchless.running.external_data import separate

onnx = pytest.importorskip("onnx")  # makes graphs for the tests; the runtime does without
TensorProto, helper = onnx.TensorProto, onnx.helper

LARGE = np.arange(2000, dtype=np.float32)  # 8,000 bytes
SMALL = np.array([1, 2, 3], np.int64)
FILE = LARGE.tobytes() + SMALL.tobytes()


def external(name: str, array: np.ndarray, offset: int) -> TensorProto:
    tensor = TensorProto(
        name=name,
        data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
        dims=array.shape,
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in (("location", "w"), ("offset", offset), ("length", array.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def model(*tensors: TensorProto, nodes: list[onnx.NodeProto] | None = None) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph(nodes or [], "g", [], [], list(tensors)))


def test_large_tensors_are_handed_over_and_small_ones_are_written_into_the_graph() -> None:
    graph = model(external("large", LARGE, 0), external("small", SMALL, LARGE.nbytes))
    separated = separate(graph.SerializeToString(), FILE, "w", "elsewhere")
    assert list(separated.tensors) == ["large"]
    np.testing.assert_array_equal(separated.tensors["large"], LARGE)
    large, small = onnx.load_from_string(separated.data).graph.initializer
    assert {entry.key: entry.value for entry in large.external_data}["location"] == "elsewhere"
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(small), SMALL)
    kept = separate(graph.SerializeToString(), FILE, "w")
    assert {e.value for e in onnx.load_from_string(kept.data).graph.initializer[0].external_data} == {"w", "0", "8000"}


def test_tensors_inside_nodes_and_branches_are_found() -> None:
    branch = helper.make_graph([], "branch", [], [], [external("inner", LARGE, 0)])
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Constant", [], ["k"], value=external("constant", SMALL, LARGE.nbytes)),
    ]
    separated = separate(model(nodes=nodes).SerializeToString(), FILE, "w")
    assert separated.tensors == {}
    conditional, constant = onnx.load_from_string(separated.data).graph.node
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(conditional.attribute[0].g.initializer[0]), LARGE)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(constant.attribute[0].t), SMALL)


def test_a_graph_without_external_data_stays_as_it_is() -> None:
    data = model(onnx.numpy_helper.from_array(LARGE, "location")).SerializeToString()
    assert separate(data, b"", "w").data == data


@pytest.mark.parametrize("offset", [25, len(FILE), -1])
def test_a_tensor_beyond_the_end_is_refused(offset: int) -> None:
    size = LARGE.nbytes
    told = f"large has {size} bytes at {offset}; expected {size} bytes within {len(FILE)}"
    with pytest.raises(ValueError, match=told):
        separate(model(external("large", LARGE, offset)).SerializeToString(), FILE, "w")


def test_a_graph_of_copies_of_the_weights_is_refused_before_it_takes_the_memory() -> None:
    """Each of these is small, and all of them lie over the same bytes."""
    weights = bytes(1 << 22)
    block = np.zeros(1 << 22, np.uint8)
    tensors = [external(f"t{number}", block, 0) for number in range(40)]
    branch = helper.make_graph([], "branch", [], [], tensors)
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=helper.make_graph([], "e", [], []))]
    with pytest.raises(ValueError, match="copies of the weights, more than 4 times as large"):
        separate(model(nodes=nodes).SerializeToString(), weights, "w")


def test_an_enumeration_is_read_as_protobuf_reads_it() -> None:
    """A number of more than 32 bits loses the upper ones there: it must not hide a tensor that names a file."""
    tensor = external("large", LARGE, 0)
    next(entry for entry in tensor.external_data if entry.key == "location").value = "elsewhere"
    data = tensor.SerializeToString().replace(b"\x70\x01", b"\x70\x81\x80\x80\x80\x10")
    assert len(data) < 120
    graph = b"\x2a" + bytes([len(data)]) + data  # an initializer
    with pytest.raises(ValueError, match="expected 'w'"):
        separate(b"\x3a" + bytes([len(graph)]) + graph, FILE, "w")


@pytest.mark.parametrize("data", [b"\x3a\x7f", b"\x3b", b"\xff" * 12, b"\x3a"])
def test_what_is_no_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no ONNX file"):
        separate(data, FILE, "w")
