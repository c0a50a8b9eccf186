"""transformers' token-classification pipeline, which is also called "ner"."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from types import GeneratorType
from typing import Any

from torchless.answers.numerics import softmax
from torchless.answers.spans import AGGREGATIONS, Aggregation, Entity, Tagging, ignored
from torchless.errors import InputError, shown
from torchless.inputs import token_windows
from torchless.inputs.arguments import refuse_lone_surrogate, whole_number
from torchless.inputs.assembly import without_tokens
from torchless.inputs.text_tokens import TextTokens, delimiter_of, word_places, words_of
from torchless.inputs.token_windows import Reading
from torchless.inputs.tokenizer_file import copy_of
from torchless.inputs.tokens import pieces
from torchless.running.memory import give_back
from torchless.token_classifier import OUTSIDE, TokenClassifier

from .pipelines import Pipeline, feed, refuse_unknown, take_batch_size, wanted

_KNOWN = (
    "aggregation_strategy",
    "ignore_labels",
    "stride",
    "is_split_into_words",
    "delimiter",
    "offset_mapping",
    "grouped_entities",
    "ignore_subwords",
)

_Mapping = list[list[tuple[int, int]]]  # for each input the places of its tokens


@dataclass(frozen=True)
class _Sentence:
    """An input: what is tokenised, and the text that places in it are about."""

    tokenised: str | list[str]
    text: str
    words: list[tuple[int, int]] | None


class TokenClassificationPipeline(Pipeline[TokenClassifier]):
    """Texts to labelled tokens, or to entities."""

    model_type = TokenClassifier

    def __init__(self, model: TokenClassifier, task: str, parameters: dict[str, Any]) -> None:
        super().__init__(model, task, parameters)
        if "stride" in self._parameters:
            self._reading(self._parameters["stride"])

    def __call__(self, inputs: Any, **parameters: Any) -> Any:
        """The labelled tokens of each input, or its entities.

        Args:
            inputs: a str, a list of str, or a generator of str; with is_split_into_words a list of words, or a list or
                generator of those.
            parameters: aggregation_strategy, "none", "simple", "first", "average" or "max"; ignore_labels, those to
                leave out (["O"]); stride, to read long texts in windows that share so many tokens; is_split_into_words,
                and delimiter, what stands between words in the text that places are about; offset_mapping, places of
                the tokens instead of the tokenizer's; grouped_entities and ignore_subwords, as 4.57 had them;
                batch_size, how many items of a generator are read at a time; and num_workers, on which nothing depends.

        Returns:
            For a text a list of dicts: of "entity", "score", "index", "word", "start" and "end" for each token, or of
            "entity_group", "score", "word", "start" and "end" for each entity. A list or a generator of that for a
            list or a generator, and for one list of words.

        Raises:
            InputError: an input or a parameter is none of these, or there are no inputs.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        batch_size = take_batch_size(parameters, self._batch_size)
        merged = {**self._parameters, **self._checked(parameters)}
        # These two are read from the call alone, and so are texts that come as words.
        words = wanted(parameters, "is_split_into_words")
        delimiter = delimiter_of(" " if parameters.get("delimiter") is None else parameters["delimiter"])
        inputs = _inputs(inputs, words=words)
        if parameters.get("offset_mapping") is not None:
            count = len(inputs) if isinstance(inputs, list) else 1
            merged["offset_mapping"] = _mapping(parameters["offset_mapping"], count)
        return feed(inputs, partial(self._answer, merged, delimiter if words else None), batch_size)

    @staticmethod
    def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
        refuse_unknown(parameters, _KNOWN, "token-classification")
        given = {name: value for name, value in parameters.items() if value is not None}
        checked: dict[str, Any] = {}
        if "grouped_entities" in given or "ignore_subwords" in given:
            grouped, whole_words = wanted(given, "grouped_entities"), wanted(given, "ignore_subwords")
            checked["aggregation"] = ("first" if whole_words else "simple") if grouped else "none"
            warnings.warn(
                "grouped_entities and ignore_subwords are deprecated: use "
                f"aggregation_strategy={checked['aggregation']!r}.",
                stacklevel=3,
            )
        elif "aggregation_strategy" in given:
            checked["aggregation"] = _aggregation(given["aggregation_strategy"])
        if "ignore_labels" in given:
            checked["ignore_labels"] = ignored(given["ignore_labels"])
        if "stride" in given:
            checked["stride"] = whole_number(
                given["stride"], "stride", "a whole number of 0 or more, or None", 2**31 - 1, least=0
            )
            if checked.get("aggregation") == "none":
                raise InputError("stride: expected another aggregation_strategy with it, got 'none'.")
        if "offset_mapping" in given:
            checked["offset_mapping"] = given["offset_mapping"]
        return checked

    def _answer(self, parameters: Mapping[str, Any], delimiter: str | None, inputs: list[Any]) -> list[Any]:
        sentences = [_sentence(item, f"inputs[{index}]", delimiter) for index, item in enumerate(inputs)]
        aggregation: Aggregation = parameters.get("aggregation", "none")
        spelling = self.model.spelling
        if aggregation in ("first", "average", "max") and not spelling.knows_words:
            warnings.warn("Tokenizer does not support real words, using fallback heuristic", UserWarning, stacklevel=4)
        tagging = Tagging(self.model.labels, spelling, aggregation, parameters.get("ignore_labels", OUTSIDE))
        answers: list[list[dict[str, Any]]] = []
        cut = False
        for first, piece in pieces([sentence.tokenised for sentence in sentences]):
            windows, lost = self._windows(sentences[first : first + len(piece)], parameters.get("stride"))
            if lost and not cut:
                self._warn_of_cut(first + lost[0])
                cut = True
            answers += self._entities(windows, tagging, parameters.get("offset_mapping"), first)
        give_back(len(answers))
        return answers

    def _entities(
        self, windows: Sequence[Sequence[TextTokens]], tagging: Tagging, mapping: _Mapping | None, first: int
    ) -> list[list[dict[str, Any]]]:
        """The output for each text, which was read in these windows; `first` is the place of the first text."""
        for place, windows_of_one in enumerate(windows, first):
            if not windows_of_one[0].ids:
                raise without_tokens(place)
        listed = [window for windows_of_one in windows for window in windows_of_one]
        logits = iter(self.model.logits_of(token_windows.batch(listed, [[range(len(each.own))] for each in listed])))
        outputs = []
        for windows_of_one in windows:
            found: list[dict[str, Any]] = []
            for window in windows_of_one:
                scores = softmax(next(logits)[window.own.start : window.own.stop])
                placed = window if mapping is None else _moved(window, mapping[0])
                found += [_output(tagging, placed, entity) for entity in tagging.entities(placed, scores)]
            outputs.append(_without_overlap(found) if len(windows_of_one) > 1 else found)
        return outputs

    def _windows(self, sentences: Sequence[_Sentence], stride: int | None) -> tuple[list[list[TextTokens]], list[int]]:
        """The windows of every text, and which texts lost their end.

        They are as `tokenizers` cuts them: their first tokens have offsets of their own.
        """
        tokenizer = self.model.tokenizer
        cutting = tokenizer.parts if stride is None else self._overlapping(stride)
        windows, cut = [], []
        in_words = any(sentence.words is not None for sentence in sentences)  # then all are
        encodings = cutting.encode_batch([each.tokenised for each in sentences], is_pretokenized=in_words)
        for index, (sentence, encoding) in enumerate(zip(sentences, encodings, strict=True)):
            parts = [encoding] if stride is None else [encoding, *encoding.overflowing]
            windows.append([TextTokens.of(sentence.text, part, sentence.words) for part in parts])
            if stride is None and len(encoding) >= tokenizer.max_tokens and encoding.overflowing:
                cut.append(index)
        return windows, cut

    def _warn_of_cut(self, index: int) -> None:
        warnings.warn(
            f"inputs[{index}] is longer than the {self.model.tokenizer.max_tokens} tokens that the model takes: the "
            "rest was not read. Pass a stride, and an aggregation_strategy, to read all of it.",
            stacklevel=5,  # the pipeline's caller
        )

    @cached_property
    def _overlapping(self) -> Callable[[int], Any]:
        return lru_cache(maxsize=8)(self._with_stride)

    def _with_stride(self, stride: int) -> Any:
        reading = self._reading(stride)
        cutting = copy_of(self.model.tokenizer.parts)
        cutting.enable_truncation(self.model.tokenizer.max_tokens, stride=stride, direction=reading.side)
        return cutting

    def _reading(self, stride: int) -> Reading:
        return Reading.of(self.model.tokenizer, stride, truncate=False)


def _aggregation(strategy: Any) -> Aggregation:
    name = strategy.lower() if isinstance(strategy, str) else ""
    if name in AGGREGATIONS:
        return name
    raise InputError(f"aggregation_strategy: expected one of {', '.join(AGGREGATIONS)} or None, got {shown(strategy)}.")


def _inputs(inputs: Any, *, words: bool) -> Any:
    """One input, or a list or generator of them; one list of words is answered as a list of one."""
    if isinstance(inputs, GeneratorType):
        return inputs
    if isinstance(inputs, str):
        return [inputs] if words else inputs  # refused below, as no list of words
    if not isinstance(inputs, list) or not inputs:
        none = inputs is None or (isinstance(inputs, (list, tuple)) and not inputs)
        what = "none" if none else f"a {type(inputs).__name__}"
        raise InputError(f"inputs: expected one str or more, alone or in a list, got {what}.")
    return inputs if not words or all(isinstance(item, list) for item in inputs) else [inputs]


def _sentence(item: Any, where: str, delimiter: str | None) -> _Sentence:
    if delimiter is None:
        if not isinstance(item, str):
            raise InputError(
                f"{where}: expected a str, got {type(item).__name__}; words need is_split_into_words=True."
            )
        refuse_lone_surrogate(item, where)
        return _Sentence(item, item, None)
    if not isinstance(item, list):
        raise InputError(f"{where}: expected a list of words, got {type(item).__name__}.")
    words = words_of(item, where)
    return _Sentence(words, delimiter.join(words), word_places(words, delimiter))


def _mapping(given: Any, inputs: int) -> _Mapping | None:
    """Places of tokens that the caller knows better, one list for each input."""
    if isinstance(given, (list, tuple)) and not given:
        return None
    if isinstance(given, list) and isinstance(given[0], tuple):
        given = [given]
    if not isinstance(given, (list, tuple)) or len(given) != inputs:
        found = len(given) if isinstance(given, (list, tuple)) else shown(given)
        raise InputError(f"offset_mapping: expected a list for each of the {inputs} inputs, got {found}.")
    return [_places(each, f"offset_mapping[{index}]") for index, each in enumerate(given)]


def _places(given: Any, where: str) -> list[tuple[int, int]]:
    try:
        return [(operator.index(start), operator.index(stop)) for start, stop in given]
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected (start, end) for each token, got {shown(given)}.") from None


def _moved(tokens: TextTokens, places: Sequence[tuple[int, int]]) -> TextTokens:
    """The same tokens at other places in the text, which count from each word's beginning where words were given."""
    if len(places) < tokens.own.stop:
        raise InputError(
            f"offset_mapping: expected a place for each of the {len(tokens.ids)} tokens, special ones included, got "
            f"{len(places)}."
        )
    return tokens.moved(places[tokens.own.start : tokens.own.stop])


def _output(tagging: Tagging, tokens: TextTokens, entity: Entity) -> dict[str, Any]:
    first, last = entity.tokens.start, entity.tokens.stop - 1
    place = {"word": tagging.word(entity), "start": tokens.starts[first], "end": tokens.stops[last]}
    if tagging.aggregation == "none":
        return {"entity": entity.label, "score": entity.score, "index": tokens.own.start + first, **place}
    return {"entity_group": entity.label, "score": entity.score, **place}


def _without_overlap(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of entities that windows have in common the longer one, or the one that is surer, as transformers chooses.

    It compares the first entity with itself, and so answers one of no characters twice; and so does this.
    """
    if not entities:
        return []
    entities = sorted(entities, key=lambda entity: int(entity["start"]))
    kept, best = [], entities[0]
    for entity in entities:
        if not best["start"] <= entity["start"] < best["end"]:
            kept.append(best)
            best = entity
            continue
        longer = (entity["end"] - entity["start"]) - (best["end"] - best["start"])
        if longer > 0 or (longer == 0 and entity["score"] > best["score"]):
            best = entity
    return [*kept, best]
