"""What the name of a model means: a folder, an installed package, or a model on the Hub, looked for in that order."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torchless.errors import BundleError, BundleNotFoundError, InputError, shortened, shown

ENTRY_POINTS = "torchless.bundles"  # the group in which a package says: this name is the bundle in that module's folder

_PART = "[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_HUB_ID = re.compile(rf"(?!.*(?:--|\.\.|\.git$)){_PART}/{_PART}")


@dataclass(frozen=True)
class Place:
    """Where a bundle lies.

    Attributes:
        folder: its files, as far as they are here.
        fetch: brings files there by name; None where all of them are.
    """

    folder: Path
    fetch: Callable[[Iterable[str]], None] | None = None


def locate(name: str | os.PathLike[str], revision: str | None = None) -> Place:
    """Find a bundle; of one on the Hub, manifest.json is downloaded.

    A folder that is there, a Path, and what is written like a path (absolute, or beginning with . or ~) never touches
    the network.

    Args:
        name: a folder, the name of an installed model package, or a Hub id; one with @REVISION at its end.
        revision: branch, tag or commit of a Hub id.

    Raises:
        BundleNotFoundError: the name is none of the three; the message says what was tried.
        BundleError: a package is installed, but its files are gone, or two packages use the name.
        InputError: the name is neither str nor PathLike, or a revision of what has none, or two revisions.
        MissingExtraError: a Hub id without huggingface_hub.
        OutputError: the Hub's cache cannot be written.
    """
    name = _checked(name)
    if revision is not None and not isinstance(revision, str):
        raise InputError(f"revision: expected a str, got {shown(revision)}.")
    if _is_path(name):
        return _without_revision(Path(name), name, revision)
    text, at, after = str(name).partition("@")
    if at:
        if not after or revision is not None:
            both = f"{shown(after)} in the name and revision={shown(revision)}"
            raise InputError(f"{shortened(name)}: expected one revision, got {both}.")
        revision = after
    if os.path.isdir(text):  # noqa: PTH112  # Path.is_dir raises for what cannot be a path
        return _without_revision(Path(text), text, revision)
    if "/" not in text and (folder := _package(text)):
        return _without_revision(folder, text, revision)
    if is_hub_id(text):
        from .hub import Snapshot  # here, because few names are Hub ids

        snapshot = Snapshot(text, revision)
        return Place(snapshot.folder, snapshot.fetch)
    raise BundleNotFoundError(text, f"there is no such folder, {_no_package()}, and it is not a Hub id (org/name)")


def is_hub_id(name: str) -> bool:
    """Whether the Hub could have a model of that name."""
    return isinstance(name, str) and bool(_HUB_ID.fullmatch(name))


def name_of(name: str | os.PathLike[str]) -> str:
    """The default name of a bundle: the last part of its folder or Hub id, without the revision.

    Raises:
        InputError: the name is neither str nor PathLike.
    """
    name = _checked(name)
    text = os.fspath(name) if _is_path(name) else str(name).partition("@")[0]
    with suppress(OSError):  # the working directory is gone
        text = os.path.abspath(text)  # noqa: PTH100  # "." has a name, a link keeps its own
    return os.path.basename(text)  # noqa: PTH119


def _checked(name: str | os.PathLike[str]) -> str | os.PathLike[str]:
    with suppress(Exception):  # whatever a class does in its __fspath__
        if isinstance(name, (str, os.PathLike)) and isinstance(os.fspath(name), str):
            return name
    raise InputError(f"path: expected a str or a pathlib.Path, got {shown(name)}.")


def _is_path(name: str | os.PathLike[str]) -> bool:
    return not isinstance(name, str) or os.path.isabs(name) or name.startswith((".", "~")) or os.path.isdir(name)  # noqa: PTH112, PTH117


def _without_revision(folder: Path, name: str | os.PathLike[str], revision: str | None) -> Place:
    if revision is not None:
        raise InputError(
            f"revision: only a Hub id has revisions, and {shortened(name)} is not one; got {shown(revision)}."
        )
    return Place(folder)


def _package(name: str) -> Path | None:
    from importlib.metadata import entry_points  # here, because it takes as long as everything else
    from importlib.util import find_spec

    wanted = _normalised(name)
    modules = sorted({entry.value for entry in entry_points(group=ENTRY_POINTS) if _normalised(entry.name) == wanted})
    if not modules:
        return None
    if len(modules) > 1:
        raise BundleError(f"{name}: two installed packages use that name ({', '.join(modules)}). Uninstall one.")
    top, *below = modules[0].split(".")
    found = find_spec(top)  # finds the folder, runs nothing
    if found is None or not found.submodule_search_locations:
        raise BundleError(f"{name}: its package is installed, but the module {modules[0]} is gone. Install it again.")
    return Path(found.submodule_search_locations[0], *below)


def _normalised(name: str) -> str:
    """As package indexes compare names: https://packaging.python.org/en/latest/specifications/name-normalization."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _no_package() -> str:
    from importlib.metadata import entry_points

    names = sorted({entry.name for entry in entry_points(group=ENTRY_POINTS)})
    return f"the installed model packages are {', '.join(names)}" if names else "no model package is installed"
