"""Tags to entities, and entities to F1, as seqeval has them.

seqeval's default mode is meant, which is that of CoNLL's own script (conlleval): an entity begins at a B- tag, and at
an I- tag that continues nothing; it counts as found only with its exact beginning, end and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
_PREFIXES = {"B": "B", "I": "I", "E": "E", "L": "E", "S": "S", "U": "S"}  # BIO, IOE, BIOES and BILOU
Entity = tuple[int, int, str]  # start, end, type
Place = tuple[int, int]  # start, end


def trimmed(text: str, start: int, end: int) -> Place:
    """A place without the blanks at its ends."""
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip()), end - len(inside) + len(inside.rstrip())


@dataclass(frozen=True)
class Scheme:
    """What a model's tags mean.

    Attributes:
        labels: the tags by their ids.
    """

    labels: tuple[str, ...]

    @cached_property
    def parts(self) -> dict[str, tuple[str, str]]:
        """Prefix and type of each tag.

        A tag without a prefix goes on with what it stands beside, as an I- tag; where no tag says "outside", as in
        parts of speech, each word is something of its own.
        """
        alone = "I" if OUTSIDE in self.labels else "S"
        return {label: self._parted(label, alone) for label in self.labels}

    @property
    def types(self) -> tuple[str, ...]:
        """The types of entities, in the order of the tags."""
        return tuple(dict.fromkeys(kind for prefix, kind in self.parts.values() if prefix != OUTSIDE))

    @staticmethod
    def _parted(label: str, alone: str) -> tuple[str, str]:
        if label == OUTSIDE:
            return OUTSIDE, ""
        prefix, dash, kind = label.partition("-")
        return (_PREFIXES[prefix], kind) if dash and kind and prefix in _PREFIXES else (alone, label)

    def entities(self, tags: Sequence[str], places: Sequence[Place]) -> frozenset[Entity]:
        """The entities of one text.

        Args:
            tags: of each word, or token.
            places: where in the text each of them stands.
        """
        found: list[Entity] = []
        begun: tuple[int, str] | None = None
        before = (OUTSIDE, "")
        for index, tag in enumerate([*tags, OUTSIDE]):
            now = self.parts.get(tag, (OUTSIDE, ""))
            if begun is not None and _ends(before, now):
                found.append((begun[0], places[index - 1][1], begun[1]))
                begun = None
            if begun is None and now[0] != OUTSIDE:
                begun = places[index][0], now[1]
            before = now
        return frozenset(found)


def _ends(before: tuple[str, str], now: tuple[str, str]) -> bool:
    """Whether the entity that `before` is a part of goes no further."""
    return before[0] in "ES" or now[0] in "BSO" or before[1] != now[1]


def counts(found: Sequence[frozenset[Entity]], right: Sequence[frozenset[Entity]]) -> NDArray[np.int64]:
    """Of each text the entities that are right, that were found, and that there are: int64 (texts, 3)."""
    rows = [(len(mine & wanted), len(mine), len(wanted)) for mine, wanted in zip(found, right, strict=True)]
    return np.array(rows, np.int64).reshape(-1, 3)


def f1(counted: NDArray[np.int64]) -> float:
    """Micro-averaged F1 over all texts, from `counts`; 0 where there is nothing, as seqeval has it."""
    hit, found, wanted = (int(total) for total in counted.sum(axis=0))
    return 2 * hit / (found + wanted) if found + wanted else 0.0
