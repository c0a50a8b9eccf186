"""What the engines that read ONNX share: the plain graph, as Optimum exports it, and a session to run it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from . import Engine, Floats, Job, label_names


def plain_graph(job: Job) -> Path:
    """The checkpoint as ONNX; exported once, kept in the work folder."""
    return _exported(job, "optimum", "text-classification")


def plain_body(job: Job) -> Path:
    """The same without its head."""
    return _exported(job, "optimum-body", "feature-extraction")


def _exported(job: Job, name: str, task: str) -> Path:
    folder = job.work / name
    if not folder.exists():
        from optimum.exporters.onnx import main_export

        unfinished = job.work / f"{name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        main_export(str(job.checkpoint), unfinished, task=task, local_files_only=True)
        unfinished.rename(folder)
    return folder / "model.onnx"


def session_options(job: Job) -> Any:
    """ONNX Runtime as it comes, with the threads of the job."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.log_severity_level = 3
    return options


def session_engine(job: Job, graph: Path) -> Engine:
    """An engine out of a padded ONNX graph."""
    import onnxruntime
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint, local_files_only=True)
    names = label_names(AutoConfig.from_pretrained(job.checkpoint, local_files_only=True))
    session = onnxruntime.InferenceSession(str(graph), session_options(job), providers=["CPUExecutionProvider"])
    inputs = [(node.name, "int32" if node.type == "tensor(int32)" else "int64") for node in session.get_inputs()]

    def logits(texts: list[str]) -> Floats:
        encoded = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
        answer: Floats = session.run(None, {name: encoded[name].astype(kind) for name, kind in inputs})[0]
        return answer

    return Engine.batched(logits, names)
