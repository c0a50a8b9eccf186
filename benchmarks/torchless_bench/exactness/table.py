"""int8 of every contender on trained models, beside PyTorch."""

from __future__ import annotations

import math
from statistics import median

import numpy as np

from torchless.inputs.arguments import Text
from torchless.running.threads import available_threads
from torchless_bench.contenders.contender import Floats, Setup
from torchless_bench.contenders.tables import INT8_CLASSIFIERS
from torchless_bench.measuring.contender_process import ContenderError, ContenderProcess
from torchless_bench.status_line import StatusLine

from .measures import Exactness
from .models import TrainedModel

_TIMED_TEXTS, _TIMED_CALLS, _ROUNDS = 32, 64, 5
_HEADER = (
    "| model | texts | contender | metric | labels changed | p | mean logit difference | error / spread | ms |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)
Found = dict[str, Exactness | str]  # by contender; a string says why there is none


def measure(model: TrainedModel, status: StatusLine) -> Found:
    """Every contender on a model's test texts, one text at a time: the best case of a dynamic scale."""
    setup = Setup(model.checkpoint, model.bundle, model.folder, available_threads(), calibration=model.calibration)
    found: Found = {}
    logits: dict[str, Floats] = {}
    processes: dict[str, ContenderProcess] = {}
    try:
        for contender in INT8_CLASSIFIERS:
            status.note(f"{model.name}: {contender.title}")
            try:
                log = setup.work / f"{contender.name}.log"
                processes[contender.name] = process = ContenderProcess(contender.load, setup, log)
                process.load()
                logits[contender.name] = _logits(process, model)
            except ContenderError as error:
                found[contender.name] = str(error)
                if contender is INT8_CLASSIFIERS[0]:
                    raise
        status.note(f"{model.name}: times")
        times = _times({name: processes[name] for name in logits}, model)
    finally:
        for process in processes.values():
            process.close()
    targets, exact = np.array(model.dataset.test.targets, np.float32), logits[INT8_CLASSIFIERS[0].name]
    for name, each in logits.items():
        found[name] = Exactness.of(model.dataset.problem, targets, exact, each, times[name])
    return found


def rows(model: TrainedModel, status: StatusLine, *, header: bool) -> str:
    """The rows of one model, measured."""
    return markdown(model, measure(model, status), header=header)


def markdown(model: TrainedModel, found: Found, *, header: bool) -> str:
    """The rows of one model."""
    rows = [_HEADER] if header else []
    ours = found["torchless-int8"]
    for contender in INT8_CLASSIFIERS:
        each, begin = found[contender.name], f"| {model.name} | {len(model.dataset.test.texts)} | {contender.title} | "
        if isinstance(each, str):
            rows.append(f"{begin}{each} |||||||\n")
            continue
        changed = "" if each.changed is None else f"{int(each.changed.sum())}"
        paired = "" if isinstance(ours, str) or each is ours else _paired(ours, each)
        rows.append(
            f"{begin}{each.metric:.4f} | {changed} | {paired} | {each.mean_difference:.4f} | "
            f"{each.relative_error:.2%} | {each.ms:.2f} |\n"
        )
    return "".join(rows)


def _paired(ours: Exactness, other: Exactness) -> str:
    """The probability that so uneven a split of the texts that only one changed is chance (exact McNemar test)."""
    if ours.changed is None or other.changed is None or not other.changed.any():
        return ""
    only_ours, only_other = int((ours.changed & ~other.changed).sum()), int((other.changed & ~ours.changed).sum())
    count, fewer = only_ours + only_other, min(only_ours, only_other)
    tail = sum(math.comb(count, k) for k in range(fewer + 1)) / 2**count
    return f"{min(1.0, 2 * tail):.2f}"


def _logits(process: ContenderProcess, model: TrainedModel) -> Floats:
    batches = [[_sent(text)] for text in model.dataset.test.texts]
    return np.array(process.ask(do="answer", batches=batches)["answers"], np.float32)


def _sent(text: Text) -> str | list[str]:
    """A text, or a pair as an array, as contender_main.py reads them."""
    return text if isinstance(text, str) else [text.first, text.second]


def _times(processes: dict[str, ContenderProcess], model: TrainedModel) -> dict[str, float]:
    """Median milliseconds of a text alone, contenders in turn."""
    texts = model.dataset.test.texts
    batches = [[_sent(text)] for text in texts[:: max(1, len(texts) // _TIMED_TEXTS)]]
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(_ROUNDS):
        for name, process in processes.items():
            seconds[name] += process.ask(do="time", batches=batches, seconds=0, calls=_TIMED_CALLS)["seconds"]
            process.wait_until_quiet()
    return {name: 1000 * median(each) for name, each in seconds.items()}
