"""Text to spans, in one screen: texts become tokens, tokens logits, logits scores, scores spans."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .answers.numerics import softmax
from .answers.spans import Aggregation, Span, TaggedText, Tagging, aggregation_of, ignored
from .inputs import token_windows
from .inputs.arguments import Text, flag, text_list, whole_number
from .inputs.spelling import Spelling
from .inputs.text_tokens import TextTokens, delimiter_of, text_tokens, word_list, word_tokens
from .inputs.token_windows import Reading
from .inputs.tokens import Batch, pieces
from .model import Model
from .running import parallel
from .running.memory import give_back

OUTSIDE = ("O",)  # the label of what is nothing, in the schemes BIO and BIOES


class TokenClassifier(Model):
    """A tagger: it finds names, places, personal data or parts of speech in texts.

    Examples:
        >>> tagger = TokenClassifier.load("tests/data/tiny-tagger")  # random weights: what it says means nothing
        >>> tagger.labels
        ('O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC')
        >>> all(span.label in ("PER", "LOC") for span in tagger.tag(["Anna went to Paris"])[0])
        True
    """

    graph_kind = "token_classifier"

    @property
    def labels(self) -> tuple[str, ...]:
        """Tags, in the order of the columns of `logits` and `scores`."""
        return self.manifest.labels

    def tag(
        self,
        texts: Iterable[str],
        *,
        aggregation: Aggregation = "simple",
        ignore_labels: Collection[str] = OUTSIDE,
        stride: int | None = None,
        truncate: bool = False,
    ) -> list[list[Span]]:
        """The labelled parts of every text.

        A text that is longer than the model takes is read in windows that overlap; each token's scores come from the
        window in which it lies further from the edge, and spans are made of all tokens of the text together, so that
        none is cut, lost or found twice where two windows meet.

        Args:
            texts: n texts, any iterable but a bare str.
            aggregation: how tokens become spans, as in transformers. "none": each token is a span. "simple":
                neighbours with the same label are one. "first", "average", "max": the same, after the tokens of a word
                have agreed on one label: that of its first token, of the mean of its tokens' scores, or of the token
                with the highest score.
            ignore_labels: spans with these labels are left out.
            stride: tokens that a window of a long text shares with the one before it; None takes a quarter of a window.
            truncate: cut long texts instead; `answer` and `truncated` tell which.

        Returns:
            n lists of spans, each in the order of its text.

        Raises:
            InputError: texts is a bare str, a dict or a set, or an element is not a str, or holds a lone surrogate; or
                another argument is none of those above.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        answers = self.answer(
            texts, aggregation=aggregation, ignore_labels=ignore_labels, stride=stride, truncate=truncate
        )
        return [answer.spans for answer in answers]

    def tag_words(
        self,
        texts: Iterable[Sequence[str]],
        *,
        aggregation: Aggregation = "simple",
        ignore_labels: Collection[str] = OUTSIDE,
        stride: int | None = None,
        truncate: bool = False,
        delimiter: str = " ",
    ) -> list[list[Span]]:
        """The same of texts that have been split into words; each word is tokenised by itself.

        Args:
            texts: n lists of words.
            aggregation: as in `tag`.
            ignore_labels: as in `tag`.
            stride: as in `tag`.
            truncate: as in `tag`.
            delimiter: what stands between two words in the text that the places of spans are about.

        Returns:
            n lists of spans. `words` says which words a span holds, `start` and `end` are places in
            `delimiter.join(words)`.

        Raises:
            InputError: texts is no list of lists of str, or as in `tag`.
            InferenceError: as in `tag`.
        """
        tagging, reading = self.tagging(aggregation, ignore_labels), self.reading(stride, truncate=truncate)
        listed, delimiter = word_list(texts), delimiter_of(delimiter)
        spans: list[list[Span]] = []
        for first, piece in pieces(listed):
            tokens = word_tokens(self.tokenizer, piece, delimiter)
            spans += [answer.spans for answer in self._tagged(tokens, tagging, reading, first)]
        give_back(len(spans))
        return spans

    def answer(
        self,
        texts: Iterable[str],
        *,
        aggregation: Aggregation = "simple",
        ignore_labels: Collection[str] = OUTSIDE,
        stride: int | None = None,
        truncate: bool = False,
    ) -> list[TaggedText]:
        """Spans, and how much of each text they come from; arguments and errors as in `tag`."""
        tagging, reading = self.tagging(aggregation, ignore_labels), self.reading(stride, truncate=truncate)
        answers: list[TaggedText] = []
        for first, piece in pieces(cast(list[str], text_list(texts, pairs=False))):
            answers += self._tagged(text_tokens(self.tokenizer, piece), tagging, reading, first)
        give_back(len(answers))
        return answers

    def logits(self, texts: Iterable[Text]) -> list[NDArray[np.float32]]:
        """What the graph answers, before the softmax.

        Args:
            texts: n texts, any iterable but a bare str. One longer than `manifest.max_tokens` tokens is cut;
                `truncated` tells which.

        Returns:
            n arrays, float32 (tokens_i, labels), special tokens included.

        Raises:
            InputError, InferenceError: as in `tag`.
        """
        return self.logits_of(self.tokenizer.encode(texts))

    def scores(self, texts: Iterable[Text]) -> list[NDArray[np.float32]]:
        """Every label's score for every token: as `logits`, after the softmax, so that each row sums to 1.

        Raises:
            InputError, InferenceError: as in `tag`.
        """
        return [softmax(rows) for rows in self.logits(texts)]

    def truncated(self, texts: Iterable[Text]) -> NDArray[np.bool_]:
        """Which texts are longer than the model takes, so that `logits` and `scores` do not tell of all: bool (n,).

        Raises:
            InputError: as in `tag`.
        """
        return self.tokenizer.encode(texts).truncated

    def run(self, batch: Batch) -> list[NDArray[np.float32]]:
        """Logits of one batch, run as it is: for callers that tokenise and batch themselves, as the server does.

        Returns:
            For each text float32 (its tokens, labels), special tokens included.

        Raises:
            InferenceError: as in `tag`.
        """
        return np.split(self.session.run(batch), batch.offsets[1:-1])

    def logits_of(self, batch: Batch) -> list[NDArray[np.float32]]:
        """The same of a batch of any size."""
        return parallel.rows_of_tokens(self.session, batch)

    @cached_property
    def spelling(self) -> Spelling:
        """How the tokenizer writes words as tokens."""
        return Spelling(self.tokenizer)

    def _tagged(self, texts: Sequence[TextTokens], tagging: Tagging, reading: Reading, first: int) -> list[TaggedText]:
        windows = [reading.windows(len(tokens.own)) for tokens in texts]
        logits = iter(self.logits_of(token_windows.batch(texts, windows, first=first)))
        return [
            tagging.of(tokens, ranges, [next(logits) for _ in ranges])
            for tokens, ranges in zip(texts, windows, strict=True)
        ]

    def tagging(self, aggregation: Aggregation, ignore_labels: Collection[str]) -> Tagging:
        """How scores become spans; arguments and errors as in `tag`."""
        return Tagging(self.labels, self.spelling, aggregation_of(aggregation), ignored(ignore_labels))

    def reading(self, stride: int | None, *, truncate: bool) -> Reading:
        """How long texts are read; arguments and errors as in `tag`."""
        if stride is not None:
            stride = whole_number(stride, "stride", "a whole number of 0 or more, or None", 2**31 - 1, least=0)
        return Reading.of(self.tokenizer, stride, truncate=flag(truncate, "truncate"))
