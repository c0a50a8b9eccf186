"""Models that contenders convert: made once, kept in the work folder, and never taken half made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from .contender import Setup


def converted(setup: Setup, name: str, convert: Callable[[Path], object]) -> Path:
    """The folder of a converted model.

    Args:
        setup: has the work folder.
        name: of the folder there.
        convert: called with a folder that is not there yet, to make it; what a killed run left of it is gone.
    """
    folder = setup.work / name
    if not folder.exists():
        unfinished = setup.work / f"{name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        convert(unfinished)
        unfinished.rename(folder)
    return folder
