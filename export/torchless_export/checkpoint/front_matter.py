"""The YAML header of a checkpoint's model card."""

from __future__ import annotations

import re
from pathlib import Path

from torchless_export.errors import CheckpointError

from .files import content_of

_MOST_BYTES = 64 << 10  # what follows is no header


def front_matter(card: Path) -> dict[str, str]:
    """The scalars of a model card's YAML header, without quotes and comments; a list of them joined by commas.

    Only one line of it is read (the licence), so no YAML parser is required. Empty where there is no header.
    """
    try:
        lines = content_of(card, _MOST_BYTES, cut=True).decode(errors="replace").splitlines()
    except (OSError, CheckpointError):  # no model needs its card
        return {}
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}
    values: dict[str, list[str]] = {}
    key = ""
    for line in lines[1 : lines.index("---", 1)]:
        content = re.sub(r"(^|\s)#.*", "", line).rstrip()
        if found := re.fullmatch(r"([\w-]+):(.*)", content):
            key, value = found[1], found[2].strip()
            values[key] = [item.strip(" '\"") for item in value.strip("[]").split(",")]
        elif found := re.fullmatch(r"\s*-\s+(.*)", content):
            values.setdefault(key, []).append(found[1].strip(" '\""))
    return {key: ", ".join(filter(None, items)) for key, items in values.items()}
