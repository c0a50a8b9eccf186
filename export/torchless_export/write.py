"""A bundle in the making: built in a temporary sibling of its place, and moved there whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import onnx

from torchless.atomic_files import umask, writing
from torchless.bundle.manifest import FORMAT, MANIFEST, FileRecord, Manifest, Precision, Variant

from . import file_names
from .weights import WeightsFile
from .writers.writer import Kind

_DEFAULTS: tuple[Precision, ...] = ("int8", "fp32", "fp16")  # what is loaded by default, the best that is there


class Draft:
    """The folder that becomes a bundle.

    It is a loadable bundle from the first manifest on, so parity and quality are measured on the very files that are
    shipped.

    Raises:
        OutputError: from every method: a file cannot be written. The message names `out`, where the bundle is to be.
    """

    def __init__(self, folder: Path, *, out: Path, manifest: Manifest) -> None:
        """Begin with an empty folder.

        Args:
            folder: where it is built.
            out: where it is to be.
            manifest: what is known before there are files; `write_manifest` adds variants, quality and files.
        """
        self.folder = folder
        self.manifest = manifest
        self._out = out
        self._variants: dict[Precision, Variant] = {}

    def add_file(self, name: str, data: bytes) -> None:
        """Write one file, and the folder that its name says."""
        with writing(self._out):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(data)

    def add_variant(self, name: Precision, graphs: Mapping[Kind, onnx.ModelProto], weights: WeightsFile) -> None:
        """Write the graphs of one precision and the weights that they share."""
        folder = file_names.folder(self.manifest.layout)
        names = file_names.graphs(self.manifest.layout, name, graphs)
        files: dict[str, Any] = {kind: str(PurePosixPath(folder, file)) for kind, file in names.items()}
        for kind, model in graphs.items():
            self.add_file(files[kind], model.SerializeToString(deterministic=True))
        with writing(self._out):
            weights.write(self.folder / folder)
        files.setdefault("classifier", None)
        self._variants[name] = Variant(weights=str(PurePosixPath(folder, weights.name)), **files)

    def drop_variant(self, name: Precision) -> None:
        """Remove one precision again, if it is there."""
        variant = self._variants.pop(name, None)
        for file in variant.files if variant else ():
            (self.folder / file).unlink()

    def write_manifest(self, quality: Mapping[str, Any] | None = None) -> Manifest:
        """Record every file that lies in the folder now."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        names = sorted({path.relative_to(self.folder).as_posix() for path in files} - {MANIFEST})
        manifest = replace(
            self.manifest,
            default_precision=next(name for name in _DEFAULTS if name in self._variants),
            variants=dict(self._variants),
            quality=quality or {},
            activation_scales="row" if "int8" in self._variants else "static",
            files={name: _record(self.folder / name) for name in names},
        )
        self.add_file(MANIFEST, manifest.to_bytes())
        return manifest


def _record(path: Path) -> FileRecord:
    with path.open("rb") as file:
        return FileRecord(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """A temporary sibling of `out`, moved there when the block ends well and removed otherwise.

    Raises:
        OutputError: `out` is something other than an empty folder or a bundle with nothing else in it, or cannot be
            written. What stands there is unchanged.
    """
    out = Path(os.path.realpath(out))
    with writing(out):
        _refuse_to_destroy(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        yield temporary
        with writing(out):
            _refuse_to_destroy(out)  # an export takes minutes; something may have come in
            temporary.chmod(0o777 & ~umask())  # mkdtemp makes folders private
            _move_over(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_to_destroy(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise FileExistsError(errno.EEXIST, "it is a file, expected a folder")
    ours = _files_of_bundle(out)
    foreign = sorted(_foreign(out, ours, ""))
    if foreign:
        shown = ", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else "")
        raise FileExistsError(
            errno.EEXIST,
            f"the folder is neither empty nor a bundle and nothing else: it holds {shown}. "
            "Name another folder, or move those out of it",
        )
    if any(out.iterdir()) and out.is_mount():
        raise FileExistsError(errno.EBUSY, "a bundle at a mount point cannot be replaced. Name a folder inside it")


def _foreign(folder: Path, ours: Set[str], inside: str) -> Iterator[str]:
    """What a folder holds beside these names; of a folder that they do not name, its name alone."""
    for path in folder.iterdir():
        name = f"{inside}{path.name}"
        if path.is_dir() and not inside and not path.is_symlink() and any(each.startswith(f"{name}/") for each in ours):
            yield from _foreign(path, ours, f"{name}/")
        elif name not in ours or path.is_dir():
            yield name


def _files_of_bundle(folder: Path) -> set[str]:
    """The files that a manifest of ours accounts for, however damaged the bundle is otherwise."""
    try:
        fields = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        return set()
    files = fields.get("files")
    return {MANIFEST, *files} if isinstance(files, dict) else set()


def _move_over(temporary: Path, out: Path) -> None:
    """Folders cannot be exchanged in one step everywhere, so the old one steps aside and comes back on failure."""
    if not out.exists():
        temporary.rename(out)
    elif not any(out.iterdir()):
        _move_into(temporary, out)
    else:
        aside = temporary.with_name(temporary.name + ".old")
        try:
            out.rename(aside)
            temporary.rename(out)
        finally:  # whatever happened in between, Ctrl-C too
            if not out.exists():
                aside.rename(out)
            shutil.rmtree(aside, ignore_errors=True)


def _move_into(temporary: Path, out: Path) -> None:
    """Take the place of an empty folder, or fill it where it cannot be replaced (a mount point)."""
    with suppress(OSError):
        temporary.rename(out)
        return
    # The manifest goes last: without it the folder is no bundle.
    names = sorted((path.name for path in temporary.iterdir()), key=lambda name: name == MANIFEST)
    try:
        for name in names:
            shutil.move(temporary / name, out / name)
    except BaseException:
        for name in names:
            if (out / name).is_dir():
                shutil.rmtree(out / name, ignore_errors=True)
            else:
                (out / name).unlink(missing_ok=True)
        raise
