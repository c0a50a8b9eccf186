"""A bundle: a folder that has been opened and checked."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from torchless.errors import (
    BundleError,
    BundleNotFoundError,
    IncompatibleError,
    InputError,
    IntegrityError,
    shortened,
    shown,
)
from torchless.inputs.arguments import choice, iterator
from torchless.lazy import Lazy

from .fields import refuse_size
from .folder import File, Folder
from .locate import locate
from .manifest import MANIFEST, TOKENIZER, Manifest, Precision, Variant

if TYPE_CHECKING:
    from torchless.inputs import tokens
else:
    tokens = Lazy("torchless.inputs.tokens")  # reading a manifest needs no numpy


class Bundle:
    """An exported model on disk.

    The folder and each of its files are opened once: what is checked is what is read, mapped and run, whatever the
    names come to mean meanwhile.

    Attributes:
        path: the folder; of a bundle on the Hub it holds what `fetch` brought there.
        resolved: the same without links, as it was when the folder was opened.
        manifest: its contract, parsed and checked.
        digest: sha256 of manifest.json, which vouches for every other file.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        fetch: Callable[[Iterable[str]], None] | None = None,
        *,
        folder: Folder | None = None,
        data: bytes | None = None,
    ) -> None:
        """Hold a folder whose manifest has been read.

        Args:
            path: the folder.
            manifest: its contract.
            fetch: brings files there by name; None where all of them are.
            folder: the same folder, opened; None opens it.
            data: manifest.json as it was read; None is what `manifest` writes.

        Raises:
            BundleNotFoundError, BundleError: it cannot be opened.
        """
        self.path = path
        self.manifest = manifest
        self._fetch = fetch
        self._folder = _opened(path) if folder is None else folder
        self._data = manifest.to_bytes() if data is None else data
        self.digest = hashlib.sha256(self._data).hexdigest()
        self.resolved = self._folder.resolved
        self._files: dict[str, File] = {}
        self._opening = threading.Lock()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, revision: str | None = None) -> Bundle:
        """Open a bundle and read its manifest; file contents are checked by `check`.

        Args:
            path: a folder, the name of an installed model package, or a Hub id (org/name, org/name@revision), looked
                for in that order. Only a Hub id touches the network, and only for what is not in the Hub's cache.
            revision: branch, tag or commit of a Hub id; None is its main branch.

        Raises:
            BundleNotFoundError: there is no such bundle, or the folder holds no manifest.json.
            BundleError: the manifest cannot be read.
            ManifestError, IncompatibleError: the manifest cannot be used.
            InputError: the path is no name of a bundle, or a revision of what has none.
            MissingExtraError: a Hub id without huggingface_hub.
            OutputError: the Hub's cache cannot be written.
        """
        place = locate(path, revision)
        folder = _opened(place.folder)
        data = _manifest(folder)
        return cls(place.folder, Manifest.from_bytes(data), place.fetch, folder=folder, data=data)

    def variant(self, precision: str) -> tuple[Precision, Variant]:
        """The variant for a precision; "auto" is the manifest's default.

        Raises:
            InputError: there is no such precision.
            IncompatibleError: the bundle does not hold that precision.
        """
        asked = choice(precision, "precision", ("auto", *get_args(Precision)))
        variants = self.manifest.variants
        name: Precision = self.manifest.default_precision if asked == "auto" else asked
        if name in variants:
            return name, variants[name]
        raise IncompatibleError(
            f"{self.path} holds {', '.join(variants)}, not {asked}. Export it with --precision {asked}, "
            "or load it with precision='auto'."
        )

    def files_for(self, variant: Variant) -> list[str]:
        """What running this variant takes, as the manifest names it."""
        return [TOKENIZER, *variant.files]

    def fetch(self, names: Iterable[str] | None = None) -> None:
        """Bring files into the folder that are still on the Hub: all of them, or those named.

        Raises:
            BundleNotFoundError: the Hub does not give one.
            OutputError: the Hub's cache cannot be written.
        """
        if self._fetch is not None:
            self._fetch(self._named(names))

    def check(self, names: Iterable[str] | None = None) -> None:
        """Compare files with their recorded size and sha256: all of them, or those named; fetch what is not here.

        Raises:
            BundleNotFoundError, OutputError: as in `fetch`.
            IntegrityError: a file is missing or differs by as much as a byte; the message names it.
            BundleError: a file cannot be read.
            InputError: the manifest lists no file of that name.
        """
        names = self._named(names)
        self.fetch(names)
        for name in names:
            file = self.file(name)
            with _reading(file.path):
                digest = file.sha256()
            self._compare(name, digest)

    def tokenizer(self) -> tokens.Tokenizer:
        """The model's own tokenizer, cutting texts at the manifest's limit.

        Raises:
            BundleError, IntegrityError: as in `read`.
            IncompatibleError: `tokenizers` cannot read it.
        """
        manifest = self.manifest
        return tokens.Tokenizer(
            self.path / TOKENIZER,
            manifest.max_tokens,
            pairs=manifest.pairs,
            truncation_side=manifest.truncation_side,
            data=self.read(TOKENIZER),
        )

    def read(self, name: str) -> bytes:
        """A file's bytes, which are compared with their recorded sha256.

        Raises:
            BundleError: it cannot be read.
            IntegrityError: as in `check`.
            InputError: the manifest lists no file of that name.
        """
        if isinstance(name, str) and name == MANIFEST:
            return self._data
        file = self.file(name)
        with _reading(file.path):
            data = file.read()
        self._compare(name, hashlib.sha256(data).hexdigest())
        return data

    def mapped(self, name: str) -> mmap.mmap | bytes:
        """A file's content, mapped into memory and not compared with anything: that is what `check` does.

        Raises:
            BundleError, IntegrityError, InputError: as in `file`.
        """
        file = self.file(name)
        with _reading(file.path):
            return file.mapped()

    def file(self, name: str) -> File:
        """A file that the manifest lists, opened once. Its size is the recorded one; its content is not compared.

        Raises:
            BundleError: it cannot be read.
            IntegrityError: it is missing or has another size.
            InputError: the manifest lists no file of that name.
        """
        self._named([name])
        with self._opening:
            if name not in self._files:
                self._files[name] = self._open(name)
        return self._files[name]

    def refuse_change(self, names: Iterable[str]) -> None:
        """Make sure that nothing wrote to these files since they were opened.

        Raises:
            IntegrityError: something did.
        """
        for name in names:
            self.file(name).refuse_change()

    def _named(self, names: Iterable[str] | None) -> list[str]:
        listed = list(self.manifest.files if names is None else iterator(names, "names"))
        for name in listed:
            if not isinstance(name, str) or name not in self.manifest.files:
                raise InputError(f"{self.path}: manifest.json lists no file {shown(name)}.")
        return listed

    def _open(self, name: str) -> File:
        path, size = self.path / name, self.manifest.files[name].size_bytes
        with _reading(path):
            try:
                file = self._folder.open(name)
            except FileNotFoundError:
                raise self._altered(name, f"{size} bytes", "no file") from None
        if file.size_bytes != size:
            raise self._altered(name, f"{size} bytes", f"{file.size_bytes} bytes")
        return file

    def _compare(self, name: str, digest: str) -> None:
        recorded = self.manifest.files[name].sha256
        if digest != recorded:
            raise self._altered(name, f"sha256 {recorded}", digest)

    def _altered(self, name: str, expected: str, got: str) -> IntegrityError:
        """The error about a file; it says so where the reason is that another bundle has been put there meanwhile."""
        try:
            replaced = _manifest(self._folder) != self._data
        except BundleError:
            replaced = True
        if replaced:
            got = f"another one, which took its place before {name} was read"
            return IntegrityError(self.path, "the bundle whose manifest was read", got, "Load it again.")
        return IntegrityError(self.path / name, expected, got)


def _opened(path: Path) -> Folder:
    with _reading(path):
        try:
            return Folder(path)
        except (FileNotFoundError, NotADirectoryError):
            raise BundleNotFoundError(path, "there is no such folder") from None


def _manifest(folder: Folder) -> bytes:
    with _reading(folder.path / MANIFEST):
        try:
            file = folder.open(MANIFEST)
        except FileNotFoundError:
            raise BundleNotFoundError(folder.path, f"the folder has no {MANIFEST}") from None
        refuse_size(file.size_bytes, MANIFEST)
        return file.read()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except BundleError:  # some are OSErrors too
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in a name, half a surrogate pair
        raise BundleError(f"{shortened(path)} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
