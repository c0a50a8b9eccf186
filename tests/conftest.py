"""What every test may use: two bundles, and a header that says what they run on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")  # seconds until a `network` test takes the Hub for out of reach
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # tests import onnxruntime themselves
# PyTorch's and numpy's threads wait by spinning. Models as small as the tests' keep them waiting, which doubles the CPU
# time; where other processes want the cores too, an export takes ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    # pytest-xdist begins with the files of most tests, and so ends with few tests that take long, while its other
    # processes have nothing left to do. By their names, the many quick files of tests/runtime are the last.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_report_header() -> str:
    import numpy
    import onnxruntime
    import tokenizers

    providers = ", ".join(onnxruntime.get_available_providers())
    return (
        f"onnxruntime {onnxruntime.__version__} ({providers}), numpy {numpy.__version__}, "
        f"tokenizers {tokenizers.__version__}"
    )


@pytest.fixture(scope="session")
def mini() -> Path:
    """The embedded default: a real int8 classifier."""
    return ROOT / "models" / "sst2-mini"


@pytest.fixture(scope="session")
def tiny() -> Path:
    """A random model of a few dozen kilobytes with both precisions and three labels."""
    return ROOT / "tests" / "data" / "tiny"


@pytest.fixture(scope="session")
def tiny_ranker() -> Path:
    """A random model that reads pairs and answers one number, in both precisions."""
    return ROOT / "tests" / "data" / "tiny-ranker"


@pytest.fixture(scope="session")
def tiny_tagger() -> Path:
    """A random model of the same body that labels tokens, with both precisions and five tags."""
    return ROOT / "tests" / "data" / "tiny-tagger"


@pytest.fixture(scope="session")
def our_errors() -> set[type[Exception]]:
    """Every class in torchless.errors."""
    from torchless import errors

    def subclasses(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))

    return {kind for kind in subclasses(errors.TorchlessError) if kind.__module__ == "torchless.errors"}


@pytest.fixture
def tiny_copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle, to be damaged."""
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """Two hundred real sentences of 2 to 30 tokens or so."""
    lines = (ROOT / "export" / "torchless_export" / "sample.txt").read_text(encoding="utf-8").splitlines()
    joined = [f"{first} {second}" for first, second in zip(lines[:20], lines[100:], strict=False)]
    return (lines + joined)[:200]


@pytest.fixture(scope="session")
def sign() -> Callable[[dict[str, Any]], bytes]:
    """Sign a manifest's fields as docs/bundle.md says, independently of the code under test."""

    def sign(fields: dict[str, Any]) -> bytes:
        blank = json.dumps({**fields, "manifest_sha256": "0" * 64}).encode()
        return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode())

    return sign


@pytest.fixture
def rewrite(tiny_copy: Path, sign: Callable[[dict[str, Any]], bytes]) -> Callable[..., None]:
    """Change fields of the copied bundle's manifest, and sign it again."""

    def rewrite(change: Callable[[dict[str, Any]], None]) -> None:
        fields = json.loads((tiny_copy / "manifest.json").read_bytes())
        change(fields)
        (tiny_copy / "manifest.json").write_bytes(sign(fields))

    return rewrite


@pytest.fixture
def in_folders(tiny_copy: Path, rewrite: Callable[..., None]) -> Path:
    """The copied bundle with its graphs and weights in onnx/, as padded bundles lie: format 2."""

    def place(name: str | None) -> str | None:
        return f"onnx/{name}" if name and name.startswith(("classifier", "encoder", "weights")) else name

    def change(fields: dict[str, Any]) -> None:
        fields["format_version"] = 2
        for variant in fields["variants"].values():
            variant.update({kind: place(name) for kind, name in variant.items()})
        fields["files"] = {place(name): record for name, record in fields["files"].items()}

    rewrite(change)
    (tiny_copy / "onnx").mkdir()
    for path in list(tiny_copy.iterdir()):
        path.rename(tiny_copy / str(place(path.name))) if path.is_file() else None
    return tiny_copy


class FreshHome:
    """Someone's new home directory, and a working directory in it, for processes that should leave both empty.

    Attributes:
        environment: that of a user, who has turned off no telemetry and whose machine is no CI's.
        work: the working directory.
    """

    def __init__(self, folder: Path) -> None:
        self._home, self._connections, watch = folder / "home", folder / "connections", folder / "watch"
        self.work = self._home / "work"
        self.work.mkdir(parents=True)
        watch.mkdir()
        # In every Python process, children of children included. It does not see sockets of C++, but onnxruntime
        # makes its files in the home directory before it opens one.
        (watch / "sitecustomize.py").write_text(f"""
import sys

def note(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] == "127.0.0.1":
        return  # a server's own address; nothing is asked
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        with open({str(self._connections)!r}, "a") as file:
            print(event, *arguments, file=file)

sys.addaudithook(note)
""")
        ours = ("CI", "TF_BUILD", "JENKINS_URL", "DO_NOT_TRACK")
        users = {
            name: value
            for name, value in os.environ.items()
            if name not in ours and not name.startswith(("XDG_", "HF_")) and not name.endswith("DISABLE_TELEMETRY")
        }
        paths = os.pathsep.join([str(watch), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {**users, "HOME": str(self._home), "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *arguments: object, **variables: str) -> str:
        """What a Python process with these arguments prints; it must succeed."""
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**self.environment, **variables},
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def traces(self) -> list[str]:
        """The files in it, and the connections that were tried."""
        files = [path.relative_to(self._home).as_posix() for path in self._home.rglob("*") if path.is_file()]
        return files + (self._connections.read_text().splitlines() if self._connections.exists() else [])


@pytest.fixture
def fresh_home(tmp_path: Path) -> FreshHome:
    return FreshHome(tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub on this machine, empty: `fake_hub.FakeHub`."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    from fake_hub import FakeHub

    server = FakeHub()
    yield server
    server.close()


@pytest.fixture
def hub_environment(hub: Any, tmp_path: Path) -> dict[str, str]:
    """What a process must find to take that Hub for the Hub, with a cache of its own and someone's token."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {
        **ours,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_TOKEN": "hf_someone",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
    }
