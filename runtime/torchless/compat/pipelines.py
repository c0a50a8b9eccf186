"""What all pipelines share: how they are made, and how inputs come and outputs go (one, a list, or a generator)."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from itertools import islice
from types import GeneratorType
from typing import Any, ClassVar, Generic, TypeVar

from torchless.errors import InputError
from torchless.inputs.arguments import flag, whole_number
from torchless.model import Model

Answer = Callable[[list[Any]], list[Any]]
M = TypeVar("M", bound=Model)


class Pipeline(ABC, Generic[M]):
    """What every pipeline is made of; its subclasses are called.

    Attributes:
        task: the name that it was asked for by.
        model: the classifier, token classifier or encoder.
    """

    model_type: ClassVar[type[Model]]

    def __init__(self, model: M, task: str, parameters: dict[str, Any]) -> None:
        self.task = task
        self.model = model
        self._batch_size = take_batch_size(parameters)
        self._parameters = self._checked(parameters)

    def __getstate__(self) -> dict[str, Any]:
        """What crosses to another process: all but what is made again there when it is first used."""
        return {
            name: value
            for name, value in vars(self).items()
            if not isinstance(getattr(type(self), name, None), cached_property)
        }

    @staticmethod
    @abstractmethod
    def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a construction or a call, those among them that count.

        Raises:
            InputError: one is unknown, or has a value that is not known here; the message says which.
        """


def feed(inputs: Any, answer: Answer, batch_size: int) -> Any:
    """The output for one input, a list of them for a list, or a generator of them for a generator.

    Args:
        inputs: anything else than a list or a generator is one input.
        answer: n inputs to n outputs.
        batch_size: how many items of a generator are read at a time.
    """
    if isinstance(inputs, list):
        return answer(inputs)
    if isinstance(inputs, GeneratorType):
        return _stream(inputs, answer, batch_size)
    return answer([inputs])[0]


def _stream(inputs: Iterator[Any], answer: Answer, batch_size: int) -> Iterator[Any]:
    while batch := list(islice(inputs, batch_size)):
        yield from answer(batch)


def take_batch_size(parameters: dict[str, Any], default: int = 1) -> int:
    """Take what is about speed out of the parameters: `batch_size`, and `num_workers`, on which nothing depends here.

    Raises:
        InputError: the batch size is not a whole number of 1 or more.
    """
    parameters.pop("num_workers", None)
    batch_size = parameters.pop("batch_size", None)
    if batch_size is None:
        return default
    return whole_number(batch_size, "batch_size", "a whole number of 1 or more", sys.maxsize)


def wanted(parameters: Mapping[str, Any], name: str) -> bool:
    """Whether a parameter asks for something; None and a missing one do not.

    Raises:
        InputError: it is neither True nor False.
    """
    value = parameters.get(name)
    return value is not None and flag(value, name)


def refuse_unknown(parameters: Collection[str], known: Collection[str], task: str, hint: str = "") -> None:
    """Refuse what the pipeline would have to ignore.

    Raises:
        InputError: a parameter is not among those known; the message lists these.
    """
    for name in parameters:
        if name not in known:
            raise InputError(f"{name}: {task} takes {', '.join(known)}, got {name!r}.{hint}")
