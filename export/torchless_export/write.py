"""A bundle in the making: built in a temporary sibling of its place, and moved there whole."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import onnx

import torchless
from torchless.errors import OutputError
from torchless.manifest import FILE_NAME, Activation, FileRecord, Layout, Manifest, Source, Variant
from torchless.manifest import Precision as PrecisionName

from .weights import WeightsFile

Kind = Literal["encoder", "classifier"]
# What other servers look for first: optimum, Text Embeddings Inference and transformers.js.
_STANDARD_NAMES: dict[PrecisionName, str] = {"fp32": "model.onnx", "int8": "model_quantized.onnx"}


class Draft:
    """The folder that becomes a bundle.

    It is a loadable bundle from the first manifest on, so parity and quality are measured on the very files that are
    shipped.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: Source,
        labels: tuple[str, ...],
        activation: Activation,
        max_tokens: int,
        hidden_size: int,
        layout: Layout = "packed",
        padding_id: int = 0,
    ) -> None:
        self.folder = folder
        self._variants: dict[PrecisionName, Variant] = {}
        self._manifest = Manifest(
            created_by=f"torchless {torchless.__version__}",
            labels=labels,
            activation=activation,
            max_tokens=max_tokens,
            hidden_size=hidden_size,
            default_precision="fp32",
            source=source,
            variants=self._variants,
            quality={},
            files={},
            layout=layout,
            padding_id=padding_id,
        )

    def add_file(self, name: str, data: bytes) -> None:
        """Write one file."""
        (self.folder / name).write_bytes(data)

    def add_variant(self, name: PrecisionName, graphs: Mapping[Kind, onnx.ModelProto], weights: WeightsFile) -> None:
        """Write the graphs of one precision and the weights that they share."""
        files: dict[str, str] = {kind: f"{kind}.{name}.onnx" for kind in graphs}
        if self._manifest.layout == "padded":
            files["classifier" if "classifier" in graphs else "encoder"] = _STANDARD_NAMES[name]
        for kind, model in graphs.items():
            self.add_file(files[kind], model.SerializeToString(deterministic=True))
        weights.write(self.folder)
        self._variants[name] = Variant(weights.name, files["encoder"], files.get("classifier"))

    def drop_variant(self, name: PrecisionName) -> None:
        """Remove one precision again."""
        for file in self._variants.pop(name).files:
            (self.folder / file).unlink()

    def write_manifest(self, quality: Mapping[str, Any] | None = None) -> Manifest:
        """Record every file that lies in the folder now; int8 is the default to load where it is there."""
        names = sorted(path.name for path in self.folder.iterdir() if path.name != FILE_NAME)
        manifest = replace(
            self._manifest,
            default_precision="int8" if "int8" in self._variants else "fp32",
            quality=quality or {},
            files={name: _record(self.folder / name) for name in names},
        )
        self.add_file(FILE_NAME, manifest.to_bytes())
        return manifest


def _record(path: Path) -> FileRecord:
    with path.open("rb") as file:
        return FileRecord(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """A temporary sibling of `out`, moved there when the block ends well and removed otherwise.

    Raises:
        OutputError: `out` is something other than a bundle or an empty folder, or cannot be written. What stands
            there is unchanged.
    """
    out = out.resolve()
    try:
        _refuse_to_destroy(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise OutputError(out, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp makes folders private
        _move_over(temporary, out)
    except OSError as error:
        raise OutputError(out, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_to_destroy(out: Path) -> None:
    if out.is_file():
        raise FileExistsError(0, "it is a file, expected a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / FILE_NAME).is_file():
        raise FileExistsError(0, "the folder is neither empty nor a bundle")


def _move_over(temporary: Path, out: Path) -> None:
    """Folders cannot be exchanged in one step everywhere, so the old one steps aside and comes back on failure."""
    if not out.exists():
        temporary.rename(out)
        return
    aside = temporary.with_name(temporary.name + ".old")
    out.rename(aside)
    try:
        temporary.rename(out)
    except OSError:
        aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)
