"""What a contender is: what it is given, and what it must answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from torchless.model import Device
from torchless_bench.hardware_and_versions import InstructionSet

Floats = NDArray[np.float32]
ContenderKind = Literal["exact", "int8", "fp16"]
Input = str | tuple[str, str]  # a text, or a pair as the tokenizers of transformers take it
CPU_BATCH_SIZES = (1, 8, 32)


@dataclass(frozen=True)
class Setup:
    """What every contender is given.

    Attributes:
        checkpoint: the folder that transformers wrote.
        bundle: the folder that Torchless exported from that checkpoint.
        work: a folder for converted models; those of an earlier run are used again.
        threads: number of CPU threads that a call may use.
        device: where to run.
        calibration: texts that static int8 is calibrated on, one JSON object with `text` and, for pairs, `pair` per
            line; None takes the built-in sample.
        isa: the newest instructions that libraries may find on the CPU; None lets them find all.
    """

    checkpoint: Path
    bundle: Path
    work: Path
    threads: int
    device: Device = "cpu"
    calibration: Path | None = None
    isa: InstructionSet | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Setup:
        """What `to_json` wrote."""
        paths = {name: Path(fields[name]) for name in ("checkpoint", "bundle", "work")}
        calibration = Path(fields["calibration"]) if fields["calibration"] else None
        return cls(**{**fields, **paths, "calibration": calibration})

    def to_json(self) -> dict[str, Any]:
        """Fields that JSON can hold."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class LoadedContender:
    """A contender, ready to be timed.

    Attributes:
        answer: the logits or embeddings of one batch of Input, float32 (texts, columns), where columns are labels or
            the hidden size; of a tagger, a row per token. Tokenises, too.
        whole_list: a label or an embedding for each text of a list, at a batch size.
        batch_sizes: the batch sizes to try `whole_list` with. A contender that cuts lists by itself names only one.
        whole_file: a CSV file with a column `text` into one with an answer per row, at a batch size; None reads it in
            chunks, answers them with `whole_list`, and writes.
    """

    answer: Callable[[list[Any]], Floats]
    whole_list: Callable[[list[Any], int], Sequence[Any]]
    batch_sizes: Sequence[int] = CPU_BATCH_SIZES
    whole_file: Callable[[Path, Path, int], object] | None = None

    @classmethod
    def batched(
        cls,
        logits: Callable[[list[Any]], Floats],
        label_names: Sequence[str],
        batch_sizes: Sequence[int] = CPU_BATCH_SIZES,
    ) -> LoadedContender:
        """A contender that takes single batches only; lists go through the loop that a careful user would write.

        The loop sorts the texts by length first, which keeps padding small.
        """

        def labels(texts: list[Input]) -> list[str]:
            return [label_names[best] for best in logits(texts).argmax(axis=1)]

        return cls(logits, _by_length(labels), batch_sizes)

    @classmethod
    def tagging(
        cls, logits: Callable[[list[Any]], list[Floats]], batch_sizes: Sequence[int] = CPU_BATCH_SIZES
    ) -> LoadedContender:
        """A tagger that takes single batches only: of each text, float32 (tokens, labels) with special tokens."""

        def tags(texts: list[Input]) -> list[list[int]]:
            return [rows.argmax(axis=1).tolist() for rows in logits(texts)]

        return cls(lambda texts: np.concatenate(logits(texts)), _by_length(tags), batch_sizes)


def _by_length(answer: Callable[[list[Input]], list[Any]]) -> Callable[[list[Input], int], list[Any]]:
    """From what answers one batch to what answers a list, in batches of texts of like length."""

    def answers(texts: list[Input], batch_size: int) -> list[Any]:
        order = sorted(range(len(texts)), key=lambda index: len("".join(texts[index])))
        found: list[Any] = [None] * len(texts)
        for start in range(0, len(order), batch_size):
            group = order[start : start + batch_size]
            for index, each in zip(group, answer([texts[i] for i in group]), strict=True):
                found[index] = each
        return found

    return answers


@dataclass(frozen=True)
class Contender:
    """A row of the tables.

    Attributes:
        name: its name in `--contenders` and in results.jsonl.
        title: its name in tables and plots.
        kind: "exact" contenders must answer as the reference does; "int8" and "fp16" ones may differ a little.
        load: "module:function" that takes a Setup and returns a LoadedContender; called in the contender's own process.
        quick: whether `--quick` includes it; contenders that take long to compile or convert are left out.
        limited: whether `--isa` limits it; a compiler that is started as a program of its own finds the whole CPU.
    """

    name: str
    title: str
    kind: ContenderKind
    load: str
    quick: bool = True
    limited: bool = True


def load(where: str, setup: Setup) -> LoadedContender:
    """Import the module of a "module:function", and load its contender."""
    module, _, function = where.partition(":")
    loaded: LoadedContender = getattr(import_module(module), function)(setup)
    return loaded
