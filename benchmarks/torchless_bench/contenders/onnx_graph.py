"""The ONNX graph that several contenders run, as Optimum exports it, and an ONNX Runtime session for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .contender import Floats, LoadedContender, Setup
from .converted import converted
from .hf_checkpoint import label_names, tokenizer


def plain_graph(setup: Setup) -> Path:
    """The file of the checkpoint as ONNX; exported once and kept in the work folder."""
    return _exported(setup, "optimum", "text-classification")


def plain_body(setup: Setup) -> Path:
    """The file of the checkpoint as ONNX without its head; exported once and kept in the work folder."""
    return _exported(setup, "optimum-body", "feature-extraction")


def plain_tagger(setup: Setup) -> Path:
    """The file of a checkpoint that classifies tokens, as ONNX; exported once and kept in the work folder."""
    return _exported(setup, "optimum-tagger", "token-classification")


def _exported(setup: Setup, name: str, task: str) -> Path:
    def export(folder: Path) -> None:
        from optimum.exporters.onnx import main_export

        main_export(str(setup.checkpoint), folder, task=task, local_files_only=True)

    return converted(setup, name, export) / "model.onnx"


def session_options(setup: Setup) -> Any:
    """ONNX Runtime's default options, with the setup's number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setup.threads
    options.log_severity_level = 3
    return options


def session_contender(setup: Setup, graph: Path) -> LoadedContender:
    """A contender that runs a padded ONNX graph in ONNX Runtime."""
    import onnxruntime

    tokenize = tokenizer(setup)
    session = onnxruntime.InferenceSession(str(graph), session_options(setup), providers=["CPUExecutionProvider"])
    inputs = [(node.name, "int32" if node.type == "tensor(int32)" else "int64") for node in session.get_inputs()]

    def logits(texts: list[str]) -> Floats:
        encoded = tokenize(texts, padding=True, truncation=True, return_tensors="np")
        answer: Floats = session.run(None, {name: encoded[name].astype(kind) for name, kind in inputs})[0]
        return answer

    return LoadedContender.batched(logits, label_names(setup))
