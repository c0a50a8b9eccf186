"""How long each step of a run is expected to take, before the first is done; time_left.py corrects it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .journal import Journal
from .measuring import flops
from .measuring.contest import Entry, Pace
from .time_left import TimeLeft
from .workloads import WHOLE, Workload

LOAD_S = 8.0  # PyTorch and its model; conversions take longer
_GFLOP_PER_S = 150.0  # what contenders reach on a small server, so that the guess has the right size
_TOKENS = 24  # of a text of mixed length
_PAUSE_S = 0.3  # until threads are quiet


def call_seconds(config: Mapping[str, Any], workload: Workload) -> float:
    """A guess of a call's seconds, by the model's arithmetic."""
    texts = workload.texts_per_call
    tokens = workload.tokens // texts if workload.tokens else _TOKENS
    return flops.forward_gflop(config, texts, tokens, first_token_only=False) / _GFLOP_PER_S


def text_seconds(config: Mapping[str, Any]) -> float:
    """A guess of the seconds of one text of mixed length in a batch."""
    return flops.forward_gflop(config, 1, _TOKENS, first_token_only=False) / _GFLOP_PER_S


def plan(
    time_left: TimeLeft,
    journal: Journal,
    entries: Sequence[Entry],
    workloads: Sequence[Workload],
    pace: Pace,
    config: Mapping[str, Any],
) -> None:
    """Plan the contest's steps that the journal does not hold yet."""
    ranked = [entry for entry in entries if entry.ranked]
    to_do = [workload for workload in workloads if journal.found("time", workload.name) is None]
    waiting = [entry for entry in ranked if entry.agreement is None]
    for entry in ranked if to_do or waiting else []:
        time_left.plan("load", entry.contender.name, LOAD_S)
    for entry in waiting:
        time_left.plan("answers", entry.contender.name, 5.0)
    for workload in to_do:
        time_left.plan("time", workload.name, len(ranked) * _workload_seconds(config, workload, pace))


def _workload_seconds(config: Mapping[str, Any], workload: Workload, pace: Pace) -> float:
    call_s = call_seconds(config, workload)
    if workload.kind in WHOLE:
        return (pace.list_rounds + 0.3) * (call_s + _PAUSE_S)
    return pace.rounds * (max(pace.seconds, pace.calls * call_s) + 2 * call_s + _PAUSE_S)
