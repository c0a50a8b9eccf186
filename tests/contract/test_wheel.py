"""What people install. These look at an installed wheel; an editable install has none to look at."""

from __future__ import annotations

from importlib.metadata import distribution, requires
from pathlib import PurePosixPath

import pytest

RUNTIME = {"numpy", "onnxruntime", "tokenizers"}


@pytest.fixture(scope="module")
def installed() -> list[PurePosixPath]:
    names = [PurePosixPath(str(path)) for path in distribution("torchless").files or []]
    if PurePosixPath("torchless/__init__.py") not in names:
        pytest.skip("torchless is installed editable; .ci/run repeats this on the built wheel")
    return names


def test_the_base_install_asks_for_three_packages() -> None:
    base = {line.split(">")[0].strip() for line in requires("torchless") or [] if "extra ==" not in line}
    assert base == RUNTIME


def test_the_wheel_holds_three_typed_packages_and_nothing_else(installed: list[PurePosixPath]) -> None:
    roots = {path.parts[0] for path in installed if not path.parts[0].startswith("..")}
    packages = {"torchless", "torchless_bench", "torchless_export"}
    assert {root for root in roots if not root.endswith(".dist-info")} == packages
    for package in packages:
        assert PurePosixPath(package, "py.typed") in installed


def test_the_wheel_holds_code_the_built_in_sample_and_the_server_s_pages(installed: list[PurePosixPath]) -> None:
    ours = [path for path in installed if path.parts[0].startswith("torchless") and ".dist-info" not in path.parts[0]]
    others = {path.name for path in ours if path.suffix not in (".py", ".pyc", ".typed")}
    assert others == {"sample.txt", "languages.txt", "index.html", "docs.html"}


def test_the_wheel_carries_its_licence(installed: list[PurePosixPath]) -> None:
    assert [path for path in installed if path.name == "LICENSE"]
