"""The server's API key: where it comes from, and whether it is one."""

from __future__ import annotations

import hmac
import os

from torchless.errors import InputError

_LARGEST_FILE_BYTES = 10_000


def api_key(given: str | None, file: str | None) -> str | None:
    """The key itself, without space around it; None where no key is asked for.

    Args:
        given: the key.
        file: the path of a file that holds it. Secrets are mounted as files, and most end with a line break.

    Raises:
        InputError: the key is empty or blank, holds space or a character that no header can hold, or comes from two
            places; or the file cannot be read, or is too large. A key is never repeated in a message.
    """
    where = "api_key"
    if file is not None:
        found, where = _read(file), f"api_key_file: {file}"
        if given is not None and given.strip() != found.strip():
            raise InputError("api_key_file: expected a key or a file that holds it, got both.")
        given = found
    if given is None:
        return None
    key = given.strip() if isinstance(given, str) else ""
    if not key:
        raise InputError(f"{where}: expected a key, got an empty one. Without a key, leave it out altogether.")
    if any(not character.isprintable() or character.isspace() for character in key):  # lone surrogates too
        raise InputError(f"{where}: expected printable characters without space between them.")
    return key


def is_key(token: bytes, key: str) -> bool:
    """Whether a token is the key, in constant time. Clients send other characters than ASCII as UTF-8 or as latin-1."""
    spellings = [key.encode()]
    if not key.isascii() and max(key) <= "\xff":
        spellings.append(key.encode("latin-1"))
    found = [hmac.compare_digest(token, each) for each in spellings]  # all of them, whichever fits
    return any(found)


def _read(file: str) -> str:
    try:
        with open(file, "rb") as opened:  # noqa: PTH123
            found = opened.read(_LARGEST_FILE_BYTES + 1)
        text = found.decode()
    except (OSError, ValueError) as error:  # not UTF-8, or a path with a null byte
        problem = error.strerror if isinstance(error, OSError) else "it holds no UTF-8 text"
        raise InputError(f"api_key_file: cannot read {os.fspath(file)!r} ({problem}).") from None
    if len(found) > _LARGEST_FILE_BYTES:
        raise InputError(f"api_key_file: {os.fspath(file)!r} holds more than {_LARGEST_FILE_BYTES} bytes.")
    return text
