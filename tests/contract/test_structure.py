"""The rules of the house, read off its sources: who imports whom, and how long files and functions are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Each source root, and which of the three packages the one in it may import.
ROOTS: dict[str, tuple[str, set[str]]] = {
    "torchless": ("runtime", {"torchless"}),
    "torchless_export": ("export", {"torchless", "torchless_export"}),
    "torchless_bench": ("benchmarks", {"torchless", "torchless_export", "torchless_bench"}),
}
MOST_AT_THE_TOP, MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 23, 300, 40

# Which rooms of the runtime each may import, from the bottom to the top. `torchless` is the package's own __init__.py,
# where the version is.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "lazy": set(),
    "telemetry": set(),
    "atomic_files": {"errors"},
    "inputs": {"errors"},
    "running": {"errors", "inputs"},
    "bundle": {"atomic_files", "errors", "inputs", "lazy"},
    "answers": {"bundle", "errors", "inputs"},
    "model": {"bundle", "errors", "inputs", "lazy", "running"},
}
BELOW = set(MAY_IMPORT)
MAY_IMPORT |= {
    "classifier": BELOW,
    "encoder": BELOW,
    "reranker": BELOW | {"classifier"},
    "token_classifier": BELOW,
    "zero_shot": BELOW | {"classifier"},
}
LIBRARY = set(MAY_IMPORT)
MAY_IMPORT |= {
    "shipping": LIBRARY,
    "compat": LIBRARY,
    "bulk": LIBRARY | {"torchless"},
    "serve": LIBRARY | {"torchless", "shipping"},
    "ray": LIBRARY | {"bulk", "serve"},
    "cli": LIBRARY | {"torchless", "shipping", "serve", "bulk", "ray"},
    "torchless": LIBRARY | {"shipping"},
    "package": {"shipping"},
    "push": {"shipping"},
    "__main__": {"cli"},
}

pytestmark = pytest.mark.skipif(
    not all((ROOT / folder / package).is_dir() for package, (folder, _) in ROOTS.items()),
    reason="the sources are not here, as where the built wheel is tested",
)


@cache
def modules() -> dict[str, Path]:
    """Every module of the three packages by its dotted name; a package goes by its own."""
    found = {}
    for package, (folder, _) in ROOTS.items():
        for path in sorted((ROOT / folder / package).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(module: str) -> Iterator[str]:
    """The absolute name of all that a module imports, under TYPE_CHECKING and inside functions too."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{source}.{name.name}" for name in node.names)


@cache
def arrows(module: str) -> set[str]:
    """The modules of the house that a module imports."""
    found = set()
    for name in imported(module):
        while name and name not in modules():
            name = name.rpartition(".")[0]  # a name in a module is that module
        found.add(name)
    return found - {"", module}


def room(module: str) -> str:
    """The folder or file below the package that a module stands in; of the package itself, its name."""
    return [*module.split("."), module][1]


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_import_goes_in_a_circle() -> None:
    TopologicalSorter({module: arrows(module) for module in modules()}).prepare()  # the error names the circle


@pytest.mark.parametrize("package", ROOTS)
def test_arrows_go_from_the_benchmarks_to_the_export_to_the_runtime(package: str) -> None:
    ours = [module for module in modules() if module.split(".")[0] == package]
    outside = [
        (module, name) for module in ours for name in arrows(module) if name.split(".")[0] not in ROOTS[package][1]
    ]
    assert outside == []


def test_rooms_of_the_runtime_import_what_stands_below_them() -> None:
    ours = [module for module in modules() if module.split(".")[0] == "torchless"]
    assert {room(module) for module in ours} == set(MAY_IMPORT), "a new room needs a rule"
    above = [
        (module, name)
        for module in ours
        for name in arrows(module)
        if room(name) not in {room(module), *MAY_IMPORT[room(module)]}
    ]
    assert above == []


def test_the_top_of_the_runtime_can_be_read_at_a_glance() -> None:
    rooms = {room(module) for module in modules() if module.startswith("torchless.")}
    assert len(rooms) <= MOST_AT_THE_TOP, sorted(rooms)


def test_no_file_is_longer_than_it_can_be_read() -> None:
    lengths = {short(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules().values()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_a_function_fits_a_screen() -> None:
    """Its signature and its docstring are not counted."""
    long = {}
    for path in modules().values():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long[f"{short(path)}:{node.lineno} {node.name}"] = lines
    assert long == {}


# README's map: where its heading changes, adapt MAP.
MAP = re.compile(r"^## Where things are$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
NAME = re.compile(r"(?<![\w./-])[\w.-][\w./-]*(?:/|\.(?:py|md|toml))(?![\w/])")


def test_what_readme_s_map_names_is_there() -> None:
    """A link is a path from the root; a name of a file or folder/ may be the end of a path."""
    section = MAP.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert section, "README has no map"
    names = [name.strip("/") for name in NAME.findall(section[1])]
    assert len(names) > 10
    folders = [folder for folder in ROOT.iterdir() if folder.name != ".git"]
    there = [f"/{short(path)}" for folder in folders for path in [folder, *folder.rglob("*")]]
    assert [link for link in LINK.findall(section[1]) if not (ROOT / link).exists()] == []
    assert [name for name in names if not any(path.endswith(f"/{name}") for path in there)] == []
