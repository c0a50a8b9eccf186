"""What an export measures of a tagger."""

from __future__ import annotations

from dataclasses import dataclass

from torchless.bundle.manifest import Precision
from torchless_export.confidence import CONFIDENCE, share_at_least
from torchless_export.reports import Accuracy, Gates, QualityReport


@dataclass(frozen=True)
class TagAccuracy(Accuracy):
    """Micro-averaged F1 of entities on tagged texts, as seqeval defines it, in PyTorch and in each variant of a bundle.

    Attributes:
        entities: how many there are.
        metric: what is measured.
    """

    entities: int = 0
    metric: str = "entity F1"

    @property
    def sample(self) -> str:
        """What it was measured on."""
        return f"{self.texts} texts, {self.entities} entities"


@dataclass(frozen=True)
class TagQualityReport(QualityReport):
    """int8 or fp16 of a tagger against fp32, over all tokens but the special ones.

    `disagreement` is the share of tokens with other tags, `neighbour_labels_changed` a number of tokens.

    Attributes:
        tokens: how many were compared.
        entities: how many fp32 or the variant found.
        entity_disagreement: share of them that only one of the two found, with the same beginning, end and type.
    """

    tokens: int = 0
    entities: int = 0
    entity_disagreement: float = 0.0

    @property
    def changed(self) -> str | None:
        """The share of labels that differ, in words."""
        entities = f" and {self.entity_disagreement:.2%} of {self.entities} entities" if self.entities else ""
        return f"{self.disagreement:.2%} of {self.tokens} tokens{entities} differ"

    @property
    def neighbours_changed(self) -> str | None:
        """How many labels neighbours change, in words."""
        return f"{self.neighbour_labels_changed} tokens changed tags"

    def needed(self, precision: Precision, gates: Gates, accuracy: Accuracy | None) -> dict[str, float]:
        """As in `QualityReport`."""
        needed = super().needed(precision, gates, accuracy)
        if not self._entities_at_least <= gates.max_entity_disagreement:
            needed["max_entity_disagreement"] = self._entities_at_least
        return needed

    def _words(self, precision: Precision, gates: Gates, accuracy: Accuracy | None) -> dict[str, str | None]:
        tokens = (
            f"tags differ from fp32 on {self.disagreement:.2%} of {self.tokens} tokens ({CONFIDENCE:.0%} confidence: "
            f"on {self._disagreement_at_least:.2%} of all tokens or more), allowed {gates.max_disagreement:.2%}"
        )
        entities = (
            f"of {self.entities} entities that fp32 or {precision} finds, {self.entity_disagreement:.2%} are found by "
            f"one of them alone ({CONFIDENCE:.0%} confidence: {self._entities_at_least:.2%} of all entities or more), "
            f"allowed {gates.max_entity_disagreement:.2%}"
        )
        ours: dict[str, str | None] = {"max_disagreement": tokens, "max_entity_disagreement": entities}
        return ours | {
            gate: text for gate, text in super()._words(precision, gates, accuracy).items() if gate not in ours
        }

    @property
    def _disagreement_at_least(self) -> float | None:
        return share_at_least(round((self.disagreement or 0) * self.tokens), self.tokens)

    @property
    def _entities_at_least(self) -> float:
        return share_at_least(round(self.entity_disagreement * self.entities), self.entities)
