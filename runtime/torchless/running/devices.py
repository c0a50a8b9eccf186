"""onnxruntime's sessions: where a graph runs, with which options, and a clear error where it cannot."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import onnxruntime as ort

from torchless.errors import DeviceError, InferenceError, shown
from torchless.inputs.arguments import choice, whole_number

from .denormals import flushing
from .graph_file import GraphFile
from .threads import available_threads

MAX_THREADS = 1024  # more than any machine has cores; onnxruntime takes whatever fits 32 bits, and tries
PROVIDERS: dict[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# TensorFloat-32 rounds what fp32 products take in to 11 bits: logits 3e-4 off, where 5e-7 can be had.
_EXACT = {"use_tf32": "0"}
# onnxruntime reckons with shapes, a few integers, on the CPU; on numbers these operators have kernels for GPUs.
_OF_SHAPES = {
    *("Shape", "Size", "Gather", "Slice", "Concat", "Squeeze", "Unsqueeze", "Reshape", "Expand", "ConstantOfShape"),
    *("Add", "Sub", "Mul", "Div", "Equal", "Where", "Cast", "Range", "ReduceMax", "ReduceProd"),
}
_INSTALL = 'pip uninstall -y onnxruntime && pip install "onnxruntime-gpu[cuda,cudnn]"'


def create(
    graph: GraphFile | Path,
    device: str,
    *,
    threads: int | None = None,
    as_written: bool = False,
    recording: bool = False,
) -> Any:
    """An `onnxruntime.InferenceSession` that runs on the device and nowhere else.

    Args:
        graph: what was read of a bundle; or the path of an ONNX file whose weights lie beside it, unchecked.
        device: "cpu" or "cuda".
        threads: CPU threads a run may use; None takes CPU affinity ∩ cgroup quota.
        as_written: on a CPU, run the graph as it is. A packed graph is written as it should run there; optimising it
            costs start-up time and fuses Add + LayerNormalization into a kernel that is 3 to 6 times slower.
        recording: record CUDA graphs (`cuda_graphs.py`).

    Raises:
        DeviceError: the device, or what it needs, is not there.
        InferenceError: onnxruntime cannot load the graph; the cause is chained.
    """
    provider, missing = _provider(device)
    as_written = as_written and device == "cpu"
    settings = {} if device == "cpu" else {**_EXACT, "enable_cuda_graph": str(int(recording))}
    name = graph if isinstance(graph, Path) else graph.path

    def options() -> Any:
        made = _options(threads)
        made.add_session_config_entry("session.record_ep_graph_assignment_info", "1" if device == "cuda" else "0")
        if as_written:
            made.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return made

    checked, providers = options(), [(provider, settings)]  # threads are the caller's, who gets an error of their own
    try:
        # By default onnxruntime continues on the CPU when a device fails, at load and at any run; it prints a line.
        with flushing:
            if isinstance(graph, Path):
                session = ort.InferenceSession(str(graph), checked, providers=providers, enable_fallback=0)
            else:
                session = graph.session(options, providers, as_written=as_written)
    except Exception as error:  # onnxruntime's exception classes share no base of their own
        raise InferenceError(f"onnxruntime {ort.__version__} cannot load {name}: {error}") from error
    if session.get_providers()[0] != provider:
        raise DeviceError(
            f"device={shown(device)}: onnxruntime {ort.__version__} could not start {provider}. "
            f"{missing or 'Check with nvidia-smi that there is a GPU with a recent driver.'}"
        )
    if elsewhere := _elsewhere(session, provider):
        raise DeviceError(f"{name}: onnxruntime {ort.__version__} has no kernel for {provider} for {elsewhere}.")
    return session


def _elsewhere(session: Any, provider: str) -> str:
    """Nodes that would work on another device than was asked for, so that none does unnoticed."""
    if provider == PROVIDERS["cpu"]:
        return ""
    assigned = session.get_provider_graph_assignment_info()
    elsewhere = [node for part in assigned if part.ep_name != provider for node in part.get_nodes()]
    others = [node for node in elsewhere if node.op_type not in _OF_SHAPES]
    return ", ".join(f"{node.name} ({node.op_type})" for node in others[:5])


def _provider(device: str) -> tuple[str, str]:
    """Onnxruntime's name for the device, and what was missing when its libraries were loaded."""
    provider, available = PROVIDERS[choice(device, "device", tuple(PROVIDERS))], ort.get_available_providers()
    if provider not in available:
        raise DeviceError(
            f"device={shown(device)} needs {provider}, but this onnxruntime {ort.__version__} offers "
            f"{', '.join(available)}. Replace it: {_INSTALL}"
        )
    return provider, _load_libraries() if device == "cuda" else ""


def _load_libraries() -> str:
    """CUDA and cuDNN from NVIDIA's Python packages, where they are installed; else from the system."""
    with redirect_stdout(io.StringIO()) as said:  # it prints what it misses, and stdout is for data
        ort.preload_dlls()
    lines = said.getvalue().splitlines()
    return f"{lines[0]}. Install CUDA's libraries too: {_INSTALL}" if lines else ""


def _options(threads: int | None) -> Any:
    if threads is not None:
        threads = whole_number(threads, "threads", f"a whole number from 1 to {MAX_THREADS}, or None", MAX_THREADS)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_threads()
    # Every batch has another shape, so a remembered memory pattern never fits.
    options.enable_mem_pattern = False
    # In onnxruntime's own threads, and for good in the thread that makes the first session: hence `flushing` above.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = 3
    return options
