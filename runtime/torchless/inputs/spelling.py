"""How a tokenizer writes words as tokens, and how they become text again."""

from __future__ import annotations

from typing import Any

from .text_tokens import TextTokens
from .tokens import Tokenizer

_UNKNOWN = "\U000f0000"  # a character that no vocabulary has: private use, and given to nobody


class Spelling:
    """How a tokenizer writes words as tokens: which token goes on with a word, and how tokens become text again.

    The rules are those of transformers' token classification pipeline.

    Attributes:
        knows_words: tokens that go on with a word carry a mark, as WordPiece's ##.
        unknown: the id of the token for what the vocabulary lacks; None without one.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        parts = tokenizer.parts
        model = parts.model
        self._decoder = parts.decoder
        self.knows_words = bool(getattr(model, "continuing_subword_prefix", None))
        self.unknown = _unknown(parts, model)

    def join(self, names: list[str]) -> str:
        """Tokens, or words made of them, as text."""
        return " ".join(names) if self._decoder is None else str(self._decoder.decode(names))

    def names(self, tokens: TextTokens) -> list[str]:
        """The text's own tokens; one that the vocabulary lacks is what the text has there."""
        unknown, text = self.unknown, tokens.text
        own = tokens.ids[tokens.own.start : tokens.own.stop]
        if unknown is None or unknown not in own:
            return tokens.names
        return [
            text[start:stop] if token == unknown else name
            for token, name, start, stop in zip(own, tokens.names, tokens.starts, tokens.stops, strict=True)
        ]

    def continues(self, tokens: TextTokens) -> list[bool]:
        """Whether each of the text's own tokens goes on with the word of the token before it."""
        own = tokens.ids[tokens.own.start : tokens.own.stop]
        text = tokens.text
        if self.knows_words:
            found = [
                len(name) != len(text[start:stop])
                for name, start, stop in zip(tokens.names, tokens.starts, tokens.stops, strict=True)
            ]
        else:
            found = [start > 0 and " " not in text[start - 1 : start + 1] for start in tokens.starts]
        return [goes_on and token != self.unknown for goes_on, token in zip(found, own, strict=True)]


def _unknown(parts: Any, model: Any) -> int | None:
    name = getattr(model, "unk_token", None)
    if name is None and type(model).__name__ == "Unigram":
        made = model.tokenize(_UNKNOWN)
        name = made[0].value if len(made) == 1 else None
        return None if name is None else int(made[0].id)
    if name is None:  # the vocabulary lacks nothing, but a text may hold the name of the token for that
        name = next((each for each in ("<unk>", "[UNK]") if parts.token_to_id(each) is not None), None)
    return None if name is None else parts.token_to_id(name)
