"""A bundle: a folder that has been opened and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from .errors import BundleNotFoundError, IncompatibleError, IntegrityError
from .manifest import FILE_NAME, Manifest, Precision, Variant

TOKENIZER = "tokenizer.json"
GOLDEN = "golden.json"


class Bundle:
    """An exported model on disk.

    Attributes:
        path: the folder.
        manifest: its contract, parsed and checked.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Bundle:
        """Open a folder and read its manifest; file contents are checked by `check`.

        Raises:
            BundleNotFoundError: there is no such folder, or it holds no manifest.json.
            ManifestError, IncompatibleError: the manifest cannot be used.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise BundleNotFoundError(folder, "there is no such folder")
        try:
            data = (folder / FILE_NAME).read_bytes()
        except FileNotFoundError:
            raise BundleNotFoundError(folder, f"the folder has no {FILE_NAME}") from None
        return cls(folder, Manifest.from_bytes(data))

    def variant(self, precision: str) -> tuple[Precision, Variant]:
        """The variant for a precision; "auto" is the manifest's default.

        Raises:
            IncompatibleError: the bundle does not hold that precision.
        """
        variants = self.manifest.variants
        for name, variant in variants.items():
            if name == (self.manifest.default_precision if precision == "auto" else precision):
                return name, variant
        raise IncompatibleError(
            f"{self.path} holds {', '.join(variants)}, not {precision}. Export it with --precision {precision}, "
            "or load it with precision='auto'."
        )

    def files_for(self, variant: Variant) -> list[str]:
        """What this variant needs and what all share, as the manifest names them."""
        own = set(variant.files)
        others = {name for other in self.manifest.variants.values() for name in other.files} - own
        return [name for name in self.manifest.files if name not in others]

    def check(self, names: Iterable[str] | None = None) -> None:
        """Compare files with their recorded size and sha256: all of them, or those named.

        Raises:
            IntegrityError: a file is missing or differs by as much as a byte; the message names it.
        """
        for name in self.manifest.files if names is None else names:
            path, record = self.path / name, self.manifest.files[name]
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                raise IntegrityError(path, f"{record.size_bytes} bytes", "no file") from None
            if size != record.size_bytes:
                raise IntegrityError(path, f"{record.size_bytes} bytes", f"{size} bytes")
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != record.sha256:
                raise IntegrityError(path, f"sha256 {record.sha256}", digest)
