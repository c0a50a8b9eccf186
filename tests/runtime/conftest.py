"""What the tests of several rooms use: the tiny model, the command line, and processes of their own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest

from torchless import Classifier, Encoder
from torchless.cli import main

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def long_text() -> str:
    """208 tokens of the tiny model, a token per letter; its limit is 64."""
    return " ".join(ascii_lowercase * 8)


@pytest.fixture(scope="session")
def tiny_classifier(tiny: Path) -> Classifier:
    return Classifier.load(tiny, precision="fp32")


@pytest.fixture(scope="session")
def tiny_encoder(tiny: Path) -> Encoder:
    return Encoder.load(tiny, precision="fp32")


@pytest.fixture(scope="session")
def flip() -> Callable[[Path, float], None]:
    """Change one bit of a file, in the byte at a place from 0, the first, to 1, the last."""

    def flip(path: Path, place: float) -> None:
        data = bytearray(path.read_bytes())
        data[int((len(data) - 1) * place)] ^= 1
        path.write_bytes(data)

    return flip


@pytest.fixture
def record(tiny_copy: Path, rewrite: Callable[[Change], None]) -> Callable[[str, bytes], None]:
    """Replace a file of the copied bundle, and its record in the manifest."""

    def record(name: str, data: bytes) -> None:
        (tiny_copy / name).write_bytes(data)
        facts = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        rewrite(lambda fields: fields["files"].update({name: facts}))

    return record


@pytest.fixture
def regolden(tiny_copy: Path, record: Callable[[str, bytes], None]) -> Callable[[Change], None]:
    """Change golden.json of the copied bundle, and the manifest with it."""

    def regolden(change: Change) -> None:
        golden = json.loads((tiny_copy / "golden.json").read_bytes())
        change(golden)
        record("golden.json", json.dumps(golden).encode())

    return regolden


@pytest.fixture
def headless(tiny_copy: Path, rewrite: Callable[[Change], None], regolden: Callable[[Change], None]) -> Path:
    """The copied bundle without its head."""

    def behead(fields: dict[str, Any]) -> None:
        fields.update(labels=[], activation="none")
        for variant in fields["variants"].values():
            variant["classifier"] = None

    def forget_logits(golden: dict[str, Any]) -> None:
        for answers in golden["variants"].values():
            del answers["logits"]

    rewrite(behead)
    regolden(forget_logits)
    return tiny_copy


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def program() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the command line as a user does, in a process of its own."""

    def program(
        *arguments: str, stdin: bytes = b"", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "torchless", *arguments]
        return subprocess.run(command, input=stdin, env=environment, capture_output=True, timeout=60, check=False)

    return program


@pytest.fixture(scope="session")
def answer_script() -> str:
    """Python that prints what a call returns, or an error's class and message, as a line of JSON."""
    return """
import json, os
from torchless import Bundle, Classifier, TorchlessError
from torchless.push import push

def answer(function, *arguments, **options):
    try:
        result = function(*arguments, **options)
    except TorchlessError as error:
        result = [type(error).__name__, str(error)]
    print(json.dumps(result), flush=True)

def logits(name, revision=None):
    return Classifier.load(name, revision=revision).logits(["good", "bad"]).tolist()
"""


@pytest.fixture(scope="session")
def answers(answer_script: str) -> Callable[..., list[Any]]:
    """What lines of Python print by `answer`, in one process of that environment."""

    def answers(environment: dict[str, str], *lines: str) -> list[Any]:
        command = [sys.executable, "-c", "\n".join([answer_script, *lines])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return answers


@pytest.fixture(scope="session")
def tiny_logits(tiny: Path) -> list[list[float]]:
    """What `logits` of `answer_script` returns."""
    logits: list[list[float]] = Classifier.load(tiny).logits(["good", "bad"]).tolist()
    return logits
