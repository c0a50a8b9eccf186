"""Floating-point operations: the most this machine does per second, and how many a forward pass needs.

No library is the fastest on every CPU, so the most is that of the best of three.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from torchless_bench.contenders.contender import Floats
from torchless_bench.hardware_and_versions import InstructionSet

from .avx2 import command
from .process_environment import environment

_SHAPES = ((256, 768, 3072), (512, 1024, 1024), (1024, 2048, 2048))
_SECONDS = 0.4


def peak_gflops(threads: int, isa: InstructionSet | None = None) -> dict[str, float]:
    """GFLOP/s of each installed library's best float32 matrix product, measured in a process of its own."""
    found = {}
    for library in _PRODUCTS:
        arguments = [*command(isa), "torchless_bench.measuring.flops", library, str(threads)]
        result = subprocess.run(arguments, capture_output=True, text=True, env=environment(threads), check=False)
        if result.returncode == 0:
            found[library] = float(json.loads(result.stdout))
    return found


def forward_gflop(config: Mapping[str, Any], texts: int, tokens_per_text: int, *, first_token_only: bool) -> float:
    """GFLOP of an encoder's matrix products, a multiplication and an addition counted as two; no embeddings, no head.

    Args:
        config: the fields of config.json, named as DistilBERT or as BERT names them.
        texts: number of texts in the batch.
        tokens_per_text: number of tokens in each text.
        first_token_only: count queries, context and feed-forward of the last layer for each text's first token only.
            A Torchless classifier computes no more, because its head reads no other token.
    """
    hidden_size = config.get("dim") or config["hidden_size"]
    intermediate_size = config.get("hidden_dim") or config["intermediate_size"]
    layers = config.get("n_layers") or config["num_hidden_layers"]
    tokens = texts * tokens_per_text

    def layer(queries: int) -> float:
        keys_and_values = 2 * tokens * hidden_size * hidden_size
        queries_and_context = 2 * queries * hidden_size * hidden_size
        attention = 2 * queries * tokens_per_text * hidden_size
        feed_forward = 2 * queries * hidden_size * intermediate_size
        return float(keys_and_values + queries_and_context + attention + feed_forward)

    last = layer(texts if first_token_only else tokens)
    return 2e-9 * float((layers - 1) * layer(tokens) + last)


def _best(library: str, threads: int) -> float:
    best = 0.0
    for rows, inner, columns in _SHAPES:
        product = _PRODUCTS[library](_random(rows, inner), _random(inner, columns), threads)
        stop = perf_counter() + _SECONDS
        while (start := perf_counter()) < stop:
            product()
            best = max(best, 2e-9 * rows * inner * columns / (perf_counter() - start))
    return best


def _random(rows: int, columns: int) -> Floats:
    return np.random.default_rng(0).standard_normal((rows, columns), np.float32)


def _numpy(left: Floats, right: Floats, _: int) -> Callable[[], object]:
    out = left @ right
    return lambda: np.matmul(left, right, out=out)


def _torch(left: Floats, right: Floats, threads: int) -> Callable[[], object]:
    import torch

    torch.set_num_threads(threads)
    a, b = torch.from_numpy(left), torch.from_numpy(right)
    out = a @ b
    return lambda: torch.mm(a, b, out=out)


def _onnxruntime(left: Floats, right: Floats, threads: int) -> Callable[[], object]:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["out"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, left.shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"left": left})


_PRODUCTS = {"numpy": _numpy, "torch": _torch, "onnxruntime": _onnxruntime}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_best(sys.argv[1], int(sys.argv[2]))))
