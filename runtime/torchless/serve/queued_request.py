"""A request that waits for its answer: what it asks for, what has become of it, and which thread may write which field.

Three kinds of thread hold a `QueuedRequest`, and each field has one kind that writes it:

- The event loop makes it, and alone calls `answer` and `fail`; other threads use `call_in_loop`. `model`, `task`,
  `characters`, `refuse_truncation` and `arrived_s` never change.
- The thread that tokenises it calls `tokenised`, once, before the queue offers the request to the workers. It lets go
  of `texts` then.
- From then on the thread that holds the queue's lock calls `take` and `count_answer`. It also sets `counted_tokens`.

A row of `rows`, or of a `TagRequest` an entry of `logits`, is written once, by the worker that ran its text; the event
loop reads them once all are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchless.answers.spans import TaggedText, Tagging
from torchless.inputs.arguments import Text, characters
from torchless.inputs.text_tokens import TextTokens
from torchless.inputs.token_windows import Reading, batch
from torchless.inputs.tokens import Batch, TokenSpan

from .served_model import ServedModel, Task


class Tokens(NamedTuple):
    """The texts of a request as tokens.

    Attributes:
        batch: the tokens, text by text.
        lengths: tokens of each text.
        truncated: whether each text was cut.
        seconds: how long tokenising took.
    """

    batch: Batch
    lengths: list[int]
    truncated: list[bool]
    seconds: float


_EMPTY = Batch(np.empty(0, np.int32), np.zeros(1, np.int64), np.empty(0, np.bool_), np.empty(0, np.int32))
_NOT_TOKENISED = Tokens(_EMPTY, [], [], 0.0)


class QueuedRequest:
    """A request on its way through the queue.

    Attributes:
        texts: empty once they have been tokenised.
        rows: float32 (texts, columns), filled batch by batch.
        count: how many texts are run: its own, or of a `TagRequest` their windows.
        tokens: its texts as tokens; empty until they have been tokenised.
        characters: of all texts together.
        counted_tokens: what the queue counts it for.
        untaken: indexes of the texts that no worker has taken, the longest first; empty until they have been tokenised.
        queue_s: seconds from its arrival until a worker took its first text, those of tokenising left out.
        run_s: seconds from then until its last text was answered.
    """

    def __init__(
        self,
        model: ServedModel,
        task: Task,
        texts: Sequence[Text],
        *,
        refuse_truncation: bool = False,
    ) -> None:
        self.model = model
        self.task = task
        self.texts = texts
        self.characters = sum(map(characters, texts))
        self.refuse_truncation = refuse_truncation
        self.arrived_s = perf_counter()
        self.rows: NDArray[np.float32] = np.empty((len(texts), model.columns[task]), np.float32)
        self.count = len(texts)
        self.tokens = _NOT_TOKENISED
        self.counted_tokens = 0
        self.untaken: list[int] = []
        self.queue_s = self.run_s = 0.0
        self.loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self.loop.create_future()
        self._unanswered = self.count
        self._taken_s = self.arrived_s

    def most_tokens(self) -> float:
        """Tokens that it can have at most: the queue's count before it is tokenised."""
        bound, limit = self.model.token_bound, self.model.manifest.max_tokens
        return sum(min(limit, bound.most(text)) for text in self.texts)

    # Event loop.

    async def answered(self) -> None:
        """Wait for `answer` or `fail`; raises what `fail` was given."""
        await self._future

    def answer(self) -> None:
        """Tell the request that its rows are there."""
        if not self._future.done():
            self._future.set_result(None)

    def fail(self, error: Exception) -> None:
        """Give the request an error instead of an answer."""
        if not self._future.done():
            self._future.set_exception(error)

    # Any thread.

    @property
    def over(self) -> bool:
        """It has been answered, or needs no answer any more: its client left, or it took too long."""
        return self._future.done()

    def fail_soon(self, error: Exception) -> None:
        """`fail`, from any thread."""
        call_in_loop(self.loop, self.fail, error)

    # The thread that tokenises it.

    def tokenised(self, tokens: Tokens) -> None:
        """Note its tokens; from now on its texts can be taken."""
        self.tokens = tokens
        self._unanswered = self.count
        self.texts = ()
        self.untaken = sorted(range(len(tokens.lengths)), key=tokens.lengths.__getitem__, reverse=True)

    # The thread that holds the queue's lock.

    def take(self, room_tokens: int, now_s: float, *, at_least_one: bool) -> tuple[list[int], int]:
        """Take the shortest texts that fit: their indexes, and how many tokens they have."""
        if len(self.untaken) == self.count:
            self._taken_s = now_s
            self.queue_s = now_s - self.arrived_s - self.tokens.seconds
        lengths, tokens = self.tokens.lengths, 0
        texts: list[int] = []
        while self.untaken and (tokens + lengths[self.untaken[-1]] <= room_tokens or (at_least_one and not texts)):
            text = self.untaken.pop()
            texts.append(text)
            tokens += lengths[text]
        return texts, tokens

    # The worker that ran the text.

    def put(self, text: int, row: NDArray[np.float32]) -> None:
        """Note what the model answered to a text."""
        self.rows[text] = row

    # The thread that holds the queue's lock.

    def count_answer(self, now_s: float) -> bool:
        """Count one more answered text; True if it was the last."""
        self._unanswered -= 1
        if self._unanswered:
            return False
        self.run_s = now_s - self._taken_s
        return True


class TagRequest(QueuedRequest):
    """A request for the labelled parts of its texts. What is run of a text is its windows.

    Attributes:
        reading: how long texts are read.
        texts_tokens: the tokens of every text; filled by the thread that tokenises it.
        windows: the windows of every text.
        logits: of every window float32 (tokens, labels), filled batch by batch.
    """

    def __init__(self, model: ServedModel, texts: Sequence[str], reading: Reading) -> None:
        super().__init__(model, "tags", texts)
        self.reading = reading
        self.texts_tokens: list[TextTokens] = []
        self.windows: list[list[range]] = []
        self.logits: dict[int, NDArray[np.float32]] = {}
        self.count = 0

    def most_tokens(self) -> float:
        """As of other requests, but of texts that are not cut, and of which windows share a part."""
        bound = self.model.token_bound
        return sum(self.reading.count(bound.most(text), bound.special) for text in self.texts)

    def add(self, found: Sequence[TextTokens]) -> Batch:
        """Note the tokens of the next texts; their windows, as a batch."""
        windows = [self.reading.windows(len(tokens.own)) for tokens in found]
        made = batch(found, windows, first=len(self.windows))
        self.texts_tokens += found
        self.windows += windows
        self.count += len(made.truncated)
        return made

    def put(self, text: int, row: NDArray[np.float32]) -> None:
        """Note what the model answered to a window."""
        self.logits[text] = row

    def tagged(self, tagging: Tagging) -> Iterator[TaggedText]:
        """The spans of every text, one by one: a long request takes long."""
        window = 0
        for tokens, windows in zip(self.texts_tokens, self.windows, strict=True):
            yield tagging.of(tokens, windows, [self.logits[window + place] for place in range(len(windows))])
            window += len(windows)


class SpansRequest(QueuedRequest):
    """A request for the tokens of its texts, which no model runs.

    Attributes:
        spans: the tokens of every text, untruncated; filled by the thread that tokenises it.
        special_tokens: with the model's special tokens, or without them.
    """

    def __init__(self, model: ServedModel, texts: Sequence[str], *, special_tokens: bool) -> None:
        super().__init__(model, "embeddings", texts)
        self.special_tokens = special_tokens
        self.spans: list[list[TokenSpan]] = []

    def most_tokens(self) -> float:
        """As of other requests, but of texts that are not cut."""
        return sum(map(self.model.token_bound.most, self.texts))


def call_in_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call a function in an event loop, from any thread; not at all if the loop has ended."""
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
