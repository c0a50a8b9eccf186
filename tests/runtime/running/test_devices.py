"""Where a graph runs, and a clear error where it cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from torchless import Classifier
from torchless.errors import DeviceError, InferenceError, InputError
from torchless.running.devices import create

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_cuda_where_there_is_none_is_an_error_with_the_fix(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"needs CUDAExecutionProvider.*pip install \"onnxruntime-gpu\[cuda,cudnn\]"):
        Classifier.load(tiny, device="cuda")


def test_an_unknown_device_names_the_known_ones(tiny: Path) -> None:
    with pytest.raises(InputError, match="device: expected one of cpu, cuda, got 'tpu'"):
        Classifier.load(tiny, device="tpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -2, 1.5, 1 << 40, True])
def test_a_senseless_number_of_threads_is_refused(tiny: Path, threads: object) -> None:
    with pytest.raises(InputError, match="threads: expected a whole number from 1 to 1024"):
        Classifier.load(tiny, threads=threads)  # type: ignore[arg-type]


def test_weights_may_be_a_link_out_of_the_bundle(tiny_copy: Path, tiny_logits: list[list[float]]) -> None:
    """As in the Hub's cache, whose links onnxruntime itself does not follow in every version."""
    (tiny_copy / "weights.int8").rename(tiny_copy.parent / "elsewhere")
    (tiny_copy / "weights.int8").symlink_to("../elsewhere")
    assert Classifier.load(tiny_copy).logits(["good", "bad"]).tolist() == tiny_logits


@pytest.mark.parametrize("content", [b"", b"no graph", b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_graph_is_named(tmp_path: Path, content: bytes) -> None:
    graph = tmp_path / "some.onnx"
    graph.write_bytes(content)
    with pytest.raises(
        InferenceError, match=rf"onnxruntime {onnxruntime.__version__} cannot load .*some\.onnx: "
    ) as caught:
        create(graph, "cpu")
    assert caught.value.__cause__ is not None


def test_a_graph_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match=r"cannot load .*nowhere\.onnx"):
        create(tmp_path / "nowhere.onnx", "cpu")


def test_a_graph_runs_with_the_threads_asked_for(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = tiny / "encoder.fp32.onnx"
    monkeypatch.setattr("torchless.running.devices.available_threads", lambda: 5)
    assert create(graph, "cpu").get_session_options().intra_op_num_threads == 5
    assert create(graph, "cpu", threads=2).get_session_options().intra_op_num_threads == 2


def test_a_packed_graph_is_left_as_it_is_written(tiny: Path) -> None:
    def level(**options: bool) -> Any:
        return create(tiny / "encoder.fp32.onnx", "cpu", **options).get_session_options().graph_optimization_level

    assert level(as_written=True) == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert level() == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """An onnxruntime for GPUs whose session starts with these providers and puts these nodes on the CPU."""

    def pretend(providers: list[str], on_cpu: list[tuple[str, str]], said: str = "") -> dict[str, Any]:
        asked: dict[str, Any] = {}
        nodes = {CUDA: [("m", "MatMul")], CPU: on_cpu}
        parts = [
            SimpleNamespace(
                ep_name=provider,
                get_nodes=lambda found=found: [SimpleNamespace(name=name, op_type=kind) for name, kind in found],
            )
            for provider, found in nodes.items()
        ]
        session = SimpleNamespace(get_providers=lambda: providers, get_provider_graph_assignment_info=lambda: parts)

        def start(*_: Any, **options: Any) -> Any:
            asked.update(options)
            return session

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: sys.stdout.write(said))
        monkeypatch.setattr(onnxruntime, "InferenceSession", start)
        return asked

    return pretend


def test_a_gpu_that_does_not_start_is_an_error_and_no_run_on_the_cpu(
    tiny: Path, pretend: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pretend([CPU], [])
    with pytest.raises(DeviceError, match=rf"could not start {CUDA}\. Check with nvidia-smi that there is a GPU"):
        create(tiny / "encoder.fp32.onnx", "cuda")
    pretend([CPU], [], "Failed to load libcudnn.so.9\nmore\n")
    with pytest.raises(
        DeviceError, match=r"Failed to load libcudnn\.so\.9\. Install CUDA's libraries too: pip uninstall"
    ):
        create(tiny / "encoder.fp32.onnx", "cuda")
    assert capsys.readouterr().out == ""  # stdout is for data


def test_a_node_that_would_run_on_the_cpu_is_named_unless_it_is_about_shapes(
    tiny: Path, pretend: Callable[..., Any]
) -> None:
    asked = pretend([CUDA, CPU], [("a", "Shape"), ("b", "Concat")])
    create(tiny / "encoder.fp32.onnx", "cuda", recording=True)
    assert asked["providers"] == [(CUDA, {"use_tf32": "0", "enable_cuda_graph": "1"})]
    assert not asked["enable_fallback"]
    pretend([CUDA, CPU], [("a", "Shape"), ("c", "MatMulIntegerToFloat")])
    with pytest.raises(DeviceError, match=rf"no kernel for {CUDA} for c \(MatMulIntegerToFloat\)\."):
        create(tiny / "encoder.fp32.onnx", "cuda")
