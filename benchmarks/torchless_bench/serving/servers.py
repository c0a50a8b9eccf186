"""The servers that are compared: how each is started, and what it is asked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from torchless_bench.serving.client import requests
from torchless_bench.serving.process import ServerProcess, torchless_server

TITLES = OURS, _FASTAPI, _LITSERVE, _INFINITY = (
    "torchless serve",
    "FastAPI + pipeline",
    "LitServe + pipeline",
    "infinity (torch)",
)
QUICK_TITLES = TITLES[:2]
_LIMITED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Server:
    """A row of the table.

    Attributes:
        title: its name.
        start: starts it, ready to answer; raises RuntimeError, SubprocessError or OSError where it cannot.
        requests: what it is asked, one text per request.
    """

    title: str
    start: Callable[[], ServerProcess]
    requests: Sequence[bytes]


def servers(
    model: Path, checkpoint: Path, texts: Sequence[str], *, logs: Path, threads: int, python: str = sys.executable
) -> list[Server]:
    """`torchless serve` and the others.

    Args:
        model: the bundle.
        checkpoint: what it was exported from; the others load it.
        texts: what to send.
        logs: a folder for what servers print.
        threads: number of CPUs of each server, and of threads where a server has to be told.
        python: the interpreter that has the other servers.
    """
    plain = requests("/predict", [{"inputs": text} for text in texts])
    listed = requests("/classify", [{"model": "model", "input": [text]} for text in texts])

    def peer(module: str, package: str) -> Callable[[], ServerProcess]:
        def start() -> ServerProcess:
            if python == sys.executable and find_spec(package) is None:
                raise RuntimeError(f"{package} is not installed")
            file = Path(__file__).parent / "peer_servers" / f"{module}.py"
            command = [python, str(file), str(checkpoint), "{port}", str(threads)]
            return _started(command, logs / f"{module}.log", threads)

        return start

    return [
        Server(OURS, lambda: torchless_server(str(model), logs / "torchless-serve.log", cpus=threads), plain),
        Server(_FASTAPI, peer("fastapi_pipeline", "fastapi"), plain),
        Server(_LITSERVE, peer("litserve_pipeline", "litserve"), plain),
        Server(_INFINITY, lambda: _infinity(python, checkpoint, logs, threads), listed),
    ]


def problem_of(error: RuntimeError | subprocess.SubprocessError | OSError) -> str:
    """Why a server did not start, in a line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _infinity(python: str, checkpoint: Path, logs: Path, threads: int) -> ServerProcess:
    program = Path(python).parent / "infinity_emb"
    if not program.is_file():
        raise RuntimeError("infinity_emb is not installed")
    command = [str(program), "v2", "--model-id", str(checkpoint), "--served-model-name", "model", "--port", "{port}"]
    command += ["--host", "127.0.0.1", "--engine", "torch", "--device", "cpu", "--no-bettertransformer"]
    return _started(command, logs / "infinity.log", threads)


def _started(command: Sequence[str], log: Path, threads: int) -> ServerProcess:
    environment = dict.fromkeys(_LIMITED, str(threads)) | {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    return ServerProcess(command, log, ready="/health", environment=environment, cpus=threads)
