"""The texts of a tagger's export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torchless.bundle.manifest import Manifest
from torchless.errors import InputError
from torchless_export.samples import Columns, Texts, gathered

from .entities import Scheme
from .files import TaggedColumns, tagged


def choose(
    manifest: Manifest,
    calibration_file: str | os.PathLike[str] | None,
    tagged_file: str | os.PathLike[str] | None,
    where: Columns,
    tokenizer: Any,
) -> Texts:
    """As `torchless_export.samples.choose`, from files of tagged texts.

    Raises:
        InputError: a file cannot be read, or does not fit the model that the manifest describes.
    """
    if where.pair:
        raise InputError(f"columns: a model that labels tokens reads single texts, got the pairs of {where.pair!r}.")
    known = tagged(Path(tagged_file), Scheme(manifest.labels), where) if tagged_file else None
    return gathered(known, calibration_file, TaggedColumns(where.text), tokenizer)
