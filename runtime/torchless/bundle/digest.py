"""The manifest's own digest: over the file's bytes with the digest's 64 digits set to 0."""

from __future__ import annotations

import hashlib

from torchless.errors import ManifestError

KEY = "manifest_sha256"
NONE = "0" * 64


def sign(unsigned: bytes) -> bytes:
    """The file's bytes with their digest, where they have NONE."""
    return _replace(unsigned, NONE, hashlib.sha256(unsigned).hexdigest())


def check(data: bytes, recorded: str) -> None:
    """Compare the file's bytes with the digest that they hold.

    Raises:
        ManifestError: they were altered.
    """
    actual = hashlib.sha256(_replace(data, recorded, NONE)).hexdigest()
    if actual != recorded:
        raise ManifestError("the file", f"content of sha256 {recorded}", f"{actual} (it was altered after export)")


def _replace(data: bytes, old: str, new: str) -> bytes:
    head, key, tail = data.rpartition(f'"{KEY}"'.encode())
    return head + key + tail.replace(old.encode(), new.encode(), 1)
