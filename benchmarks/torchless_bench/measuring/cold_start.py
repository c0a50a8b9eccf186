"""Seconds from a new process to its first label, and the memory that the process took.

Files are in the page cache: the first start of each way is not counted.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from time import perf_counter

from torchless_bench.contenders.contender import Setup

from .process_environment import environment
from .spread import Spread

TEXT = "I hate this so much"
# ru_maxrss of a child process starts at its parent's value, so each process reads its own VmHWM at its end.
_REPORT_MEMORY = """
import re, sys
found = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()) if sys.platform == "linux" else None
print("VmHWM", found[1] if found else 0, file=sys.stderr)
"""
_TORCHLESS = """
import sys
from torchless.cli import main
main(["predict", {bundle!r}, {text!r}, "--precision", PRECISION])
sys.stdout.flush()
"""
_PIPELINE = """
from transformers import pipeline
classify = pipeline("text-classification", model={checkpoint!r}, device="cpu")
classify.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # see contenders/pipeline.py
print(classify({text!r})[0]["label"], flush=True)
"""
_OURS = "Torchless "
_IMPORTS = "import onnxruntime, tokenizers; print('imported', flush=True)"
WAYS = {
    "transformers pipeline": _PIPELINE,
    _OURS + "fp32": _TORCHLESS.replace("PRECISION", "'fp32'"),
    _OURS + "int8": _TORCHLESS.replace("PRECISION", "'int8'"),
    "import onnxruntime, tokenizers": _IMPORTS,
}


@dataclass(frozen=True)
class ColdStart:
    """One way to a first label.

    Attributes:
        seconds: by round, the seconds from starting the process to its first line of output.
        peak_rss_mib: by round, the largest resident memory of the process in MiB; 0 where the system does not tell.
        problem: why it could not be measured; None if it could.
    """

    seconds: Sequence[float] = ()
    peak_rss_mib: Sequence[float] = ()
    problem: str | None = None

    @property
    def peak_memory(self) -> Spread:
        """Largest resident memory in MiB."""
        return Spread.of(self.peak_rss_mib)


def measure(setup: Setup, precisions: Collection[str], rounds: int) -> dict[str, ColdStart]:
    """Start a process in every way: once to fill the page cache, then in interleaved rounds.

    Args:
        setup: the checkpoint and bundle to load.
        precisions: those of the bundle; ways with another precision are left out.
        rounds: number of rounds that count.

    Returns:
        The cold starts by way, a key of WAYS.
    """
    ways = {way: code for way, code in WAYS.items() if way.removeprefix(_OURS) in {way, *precisions}}
    starts: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    problems: dict[str, str] = {}
    for number in range(rounds + 1):
        for way, code in ways.items():
            if way in problems:
                continue
            filled = code.format(bundle=str(setup.bundle), checkpoint=str(setup.checkpoint), text=TEXT)
            try:
                result = _start(filled, setup.threads)
            except subprocess.CalledProcessError as error:
                problems[way] = f"failed: {(error.stderr.strip().splitlines() or ['no message'])[-1]}"
                continue
            if number:
                starts[way].append(result)
    return {
        way: ColdStart(problem=problems[way])
        if way in problems
        else ColdStart([seconds for seconds, _ in found], [memory for _, memory in found])
        for way, found in starts.items()
    }


def _start(code: str, threads: int) -> tuple[float, float]:
    """Seconds to the first line of output, and the largest resident memory in MiB."""
    start = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code + "\n" + _REPORT_MEMORY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # The start that is not counted writes missing bytecode, as pip does for the packages that it installs.
        env=environment(threads) | {"PYTHONDONTWRITEBYTECODE": ""},
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    seconds = perf_counter() - start
    _, errors = process.communicate()
    if process.returncode or not first:
        raise subprocess.CalledProcessError(process.returncode, "python -c …", stderr=errors)
    return seconds, int(errors.rsplit("VmHWM", 1)[1].split()[0]) / 1024
