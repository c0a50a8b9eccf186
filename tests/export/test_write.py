"""How a bundle takes its place, and what it never takes the place of."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier
from torchless.errors import OutputError
from torchless_export.errors import ExportError
from torchless_export.weights import WeightsFile
from torchless_export.write import replacing_folder


def replace(out: Path, bundle: Path) -> None:
    """What an export does with its output folder."""
    with replacing_folder(out) as folder:
        shutil.copytree(bundle, folder, dirs_exist_ok=True)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("manifest", "beside"),
    [
        ('{"name": "A web application", "icons": []}', "src/app.js"),
        ('{"format": "torchless"}', "notes.txt"),
        ("[1, 2]", "notes.txt"),
        ("not JSON", "notes.txt"),
    ],
)
def test_a_manifest_of_something_else_protects_its_folder(
    tiny: Path, tmp_path: Path, manifest: str, beside: str
) -> None:
    out = tmp_path / "out"
    (out / beside).parent.mkdir(parents=True)
    (out / "manifest.json").write_text(manifest)
    (out / beside).write_text("years of work")
    before = snapshot(out)
    with pytest.raises(OutputError, match=f"neither empty nor a bundle and nothing else: it holds .*{beside[:3]}"):
        replace(out, tiny)
    assert snapshot(out) == before


@pytest.mark.parametrize("foreign", [".git/HEAD", "notes.txt", ".gitattributes"])
def test_a_bundle_with_something_else_in_it_is_refused_by_that_name(tiny: Path, tiny_copy: Path, foreign: str) -> None:
    (tiny_copy / foreign).parent.mkdir(exist_ok=True)
    (tiny_copy / foreign).write_text("ours")
    before = snapshot(tiny_copy)
    with pytest.raises(OutputError, match=f"it holds {foreign.split('/')[0]}. Name another folder"):
        replace(tiny_copy, tiny)
    assert snapshot(tiny_copy) == before


def test_what_came_in_during_the_export_is_kept(tiny_copy: Path) -> None:
    (tiny_copy.parent / "late.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"it holds late\.txt"), replacing_folder(tiny_copy):
        (tiny_copy.parent / "late.txt").rename(tiny_copy / "late.txt")
    assert (tiny_copy / "late.txt").read_text() == "mine"
    assert [path.name for path in tiny_copy.parent.iterdir()] == ["tiny"]


def test_a_damaged_bundle_can_be_replaced(tiny: Path, tiny_copy: Path) -> None:
    (tiny_copy / "weights.int8").unlink()
    (tiny_copy / "README.md").write_text("edited")
    replace(tiny_copy, tiny)
    assert snapshot(tiny_copy) == snapshot(tiny)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, PermissionError])
@pytest.mark.parametrize("after", [False, True])
def test_an_interruption_between_the_renames_loses_no_bundle(
    tiny: Path,
    tiny_copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruption: type[BaseException],
    after: bool,
) -> None:
    before, really_rename, calls = snapshot(tiny_copy), Path.rename, 0

    def rename(path: Path, target: Path) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            if after:
                really_rename(path, target)
            raise interruption
        return really_rename(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises((interruption, OutputError)):
        replace(tiny_copy, tiny)
    assert snapshot(tiny_copy) == before
    assert [path.name for path in tiny_copy.parent.iterdir()] == ["tiny"]


def test_an_empty_folder_that_cannot_be_replaced_is_filled(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, really_rename = tmp_path / "volume", Path.rename
    out.mkdir()

    def rename(path: Path, target: Path) -> Any:
        if target == out:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return really_rename(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    replace(out, tiny)
    assert snapshot(out) == snapshot(tiny)
    assert Classifier.load(out).predict(["good"])
    assert [path.name for path in tmp_path.iterdir()] == ["volume"]


def test_a_folder_that_cannot_be_filled_is_left_empty(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "volume"
    out.mkdir()
    really_move, moved = shutil.move, []

    def move(source: Path, target: Path) -> Any:
        moved.append(target.name)
        if len(moved) == 3:
            raise KeyboardInterrupt
        return really_move(source, target)

    def busy(*_: Any) -> Any:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "rename", busy)
    monkeypatch.setattr(shutil, "move", move)
    with pytest.raises(KeyboardInterrupt):
        replace(out, tiny)
    assert list(out.iterdir()) == []


def test_a_bundle_at_a_mount_point_is_refused_before_any_work(tiny_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tiny_copy)
    with pytest.raises(OutputError, match="a bundle at a mount point cannot be replaced"), replacing_folder(tiny_copy):
        pytest.fail("the work began")


def test_a_failure_that_is_not_about_writing_keeps_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), replacing_folder(tmp_path / "out"):
        raise ConnectionResetError
    assert list(tmp_path.iterdir()) == []


def test_the_bundle_folder_has_the_permissions_that_the_umask_leaves(tiny: Path, tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        replace(tmp_path / "out", tiny)
    finally:
        os.umask(mask)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_two_tensors_of_one_name_are_refused() -> None:
    weights = WeightsFile("weights")
    weights.add("a", np.zeros(3, np.float32))
    weights.add("a", np.zeros(3, np.float32))
    with pytest.raises(ExportError, match="two tensors of different content are called a"):
        weights.add("a", np.ones(3, np.float32))
