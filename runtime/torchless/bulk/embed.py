"""A vector for every text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torchless.inputs.arguments import Text

from .columns import Type
from .questions import Answered, Question, Respondent, how_read

if TYPE_CHECKING:
    from torchless.bundle.bundle import Bundle
    from torchless.encoder import Encoder
    from torchless.inputs.tokens import Tokenised


@dataclass(frozen=True)
class Embed(Question):
    """A vector for every text.

    Attributes:
        pooling: as in `Encoder.embed`.
        normalize: as in `Encoder.embed`.
    """

    pooling: Any = None
    normalize: bool | None = None

    def _answers(self, hidden_size: int) -> list[tuple[str, Type]]:
        return [("embedding", ("float32", hidden_size))]

    def answer_bytes(self, bundle: Bundle) -> int:
        """Of its vector."""
        return 4 * bundle.manifest.hidden_size

    def load(self) -> Respondent:
        """Load the encoder; errors as `Encoder.load` and `Encoder.require_vectors`."""
        from torchless.encoder import Encoder

        encoder = self.model.load(Encoder)
        encoder.require_vectors(self.pooling)
        return _Embedding(self, encoder)


class _Embedding:
    """The answers of an encoder."""

    def __init__(self, question: Embed, encoder: Encoder) -> None:
        self._question = question
        self._encoder = encoder

    def prepare(self, texts: list[Text]) -> Tokenised:
        return self._encoder.tokenizer.encode_windows(texts, self._question.windows)

    def answer(self, prepared: Any) -> Answered:
        asked = self._question
        answers = self._encoder.answer(
            prepared, pooling=asked.pooling, normalize=asked.normalize, windows=asked.windows
        )
        tokens = len(prepared.batch.input_ids)
        return Answered([answers.vectors, *how_read(asked, answers)], {}, int(answers.truncated.sum()), tokens)
