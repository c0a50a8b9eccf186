"""A bundle as a wheel, for hosts that reach only a package index, or no network at all."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from torchless.atomic_files import AtomicFile, replacing, writing
from torchless.bundle.bundle import Bundle
from torchless.bundle.folder import File
from torchless.bundle.locate import ENTRY_POINTS, name_of
from torchless.bundle.manifest import MANIFEST, FileRecord
from torchless.errors import InputError, IntegrityError, shown
from torchless.shipping.verify import verify_bundle

_CARD = "README.md"
_NAME = re.compile("[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_NUMBER = "(?:0|[1-9][0-9]*)"
# PEP 440, as it is written after normalising.
_VERSION = re.compile(
    rf"(?:[1-9][0-9]*!)?{_NUMBER}(?:\.{_NUMBER})*(?:(?:a|b|rc){_NUMBER})?(?:\.post{_NUMBER})?(?:\.dev{_NUMBER})?"
    r"(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?"
)
_ZIP_BEGINS, _ZIP_ENDS = 315532800, 4354819198  # 1980 to 2107: what a zip archive can date


def package(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] = ".",
    *,
    name: str | None = None,
    version: str = "1.0.0",
) -> Path:
    """Verify a bundle, then write a wheel that holds it and no code.

    The same bundle, name and version give the same bytes; SOURCE_DATE_EPOCH in the environment dates the files.

    Args:
        path: the bundle.
        output: the folder that the wheel is written into, made where it is not there yet.
        name: the distribution's name, and what `Classifier.load` takes once it is installed; None is the bundle's.
        version: the distribution's version. A bundle has none of its own; raise it when the bundle changes.

    Returns:
        Where the wheel is.

    Raises:
        InputError: pip would not take the name or the version, `path` or `output` is no path, or SOURCE_DATE_EPOCH is
            no number.
        BundleError: as in `verify`: what is damaged, or answers differently here, is not packaged.
        OutputError: the wheel cannot be written; one that stood there is unchanged.
    """
    name = name_of(path) if name is None else name
    normal = _normal_name(name)
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise InputError(
            f"version: expected a normalised PEP 440 version, such as 1.0.0 or 1.1rc1, got {shown(version)}."
        )
    folder = _folder(output)
    bundle = Bundle.open(path)
    if "__init__.py" in bundle.manifest.files:
        raise InputError(f"{path}: a bundle that is packaged cannot hold a file __init__.py.")
    verify_bundle(bundle)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{normal}-{version}-py3-none-any.whl"
    with replacing(wheel) as file:
        _write(file, bundle, f"torchless_bundle_{normal}", f"{normal}-{version}.dist-info", name, version)
    return wheel


def _folder(output: str | os.PathLike[str]) -> Path:
    with suppress(Exception):  # half a surrogate pair, or whatever a class does in its __fspath__
        path = os.fspath(output)
        if isinstance(path, str) and b"\0" not in os.fsencode(path):
            return Path(path)
    raise InputError(f"output: expected the path of a folder as a str or a pathlib.Path, got {shown(output)}.")


def _normal_name(name: str) -> str:
    """As PEP 503 compares names, written as file names hold them."""
    normal = re.sub("[-_.]+", "_", name).lower() if isinstance(name, str) else ""
    if not normal or not _NAME.fullmatch(name) or normal == "torchless":
        raise InputError(
            "name: expected ASCII letters, digits, '.', '_' and '-', a letter or digit at both ends, and not torchless "
            f"itself, got {shown(name)}. Pass another name."
        )
    return normal


def _write(file: AtomicFile, bundle: Bundle, module: str, dist_info: str, name: str, version: str) -> None:
    texts = {
        "METADATA": _metadata(bundle, name, version),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: torchless\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": f"[{ENTRY_POINTS}]\n{name} = {module}\n",
    }
    date = _date()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        records = [_add(archive, f"{module}/__init__.py", [b""], 0, date)]
        for each, record in bundle.manifest.files.items():
            content = _chunks(bundle.file(each), record)
            records.append(_add(archive, f"{module}/{each}", content, record.size_bytes, date))
        manifest = bundle.read(MANIFEST)
        records.append(_add(archive, f"{module}/{MANIFEST}", [manifest], len(manifest), date))
        for each, text in texts.items():
            data = text.encode()
            records.append(_add(archive, f"{dist_info}/{each}", [data], len(data), date))
        listed = "".join(f"{record}\n" for record in (*records, f"{dist_info}/RECORD,,")).encode()
        _add(archive, f"{dist_info}/RECORD", [listed], len(listed), date)


def _add(
    archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes | memoryview], size: int, date: time.struct_time
) -> str:
    """Add one file; returns its line of RECORD."""
    info = zipfile.ZipInfo(name, date[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system, info.external_attr = 3, 0o100644 << 16  # the same on Windows
    info.file_size = size  # beyond 2 GiB it takes another header
    digest, written = hashlib.sha256(), 0
    with archive.open(info, "w") as file:
        for chunk in chunks:
            digest.update(chunk)
            written += file.write(chunk)
    return f"{name},sha256={base64.urlsafe_b64encode(digest.digest()).rstrip(b'=').decode()},{written}"


def _chunks(file: File, record: FileRecord) -> Iterator[memoryview]:
    """A file's content, which must still be what was verified."""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != record.sha256:
        raise IntegrityError(file.path, f"sha256 {record.sha256}", digest.hexdigest())


def _date() -> time.struct_time:
    stated = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not re.fullmatch("[0-9]{1,12}", stated):
        raise InputError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, got {stated!r}.")
    return time.gmtime(min(max(int(stated), _ZIP_BEGINS), _ZIP_ENDS))


def _metadata(bundle: Bundle, name: str, version: str) -> str:
    manifest = bundle.manifest
    fields = {
        "Metadata-Version": "2.1",
        "Name": name,
        "Version": version,
        "Summary": f"A Torchless bundle of {manifest.source.name}",
        "License": manifest.source.license,
        "Requires-Dist": "torchless",
        "Description-Content-Type": "text/markdown; charset=UTF-8" if _CARD in manifest.files else None,
    }
    lines = [f"{key}: {' '.join(value.split())}\n" for key, value in fields.items() if value is not None]
    card = bundle.read(_CARD).decode("utf-8", "replace") if _CARD in manifest.files else ""
    return "".join(lines) + (f"\n{card}" if card else "")
