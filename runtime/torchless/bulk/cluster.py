"""Where the model runs: on the machines of a Ray cluster, one loaded model per actor.

This process reads, keeps and writes the chunks; an actor that dies is started again by Ray, and its chunk with it.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

from torchless import telemetry
from torchless.errors import InferenceError, InputError, TorchlessError, needs_extra

from .answering import Answers, texts_of
from .questions import Answered, Question, Respondent, prepared
from .rows import Block

LOCAL = "local"
_WAITING = 2  # chunks per actor: one that it answers, and the next
_REACH_SECONDS = 5.0


def ray(caller: str) -> Any:
    """The package; its usage statistics are off, unless the user has turned them on.

    Raises:
        MissingExtraError: it is not installed.
    """
    telemetry.turn_off_ray()
    with needs_extra(caller, "ray", "ray"):
        import ray as package
    return package


class Cluster:
    """A connection to a cluster, or one that is started here and ends with the block."""

    def __init__(self, address: str, actors: int | None = None, cpus: int | None = None) -> None:
        """Find the cluster.

        Args:
            address: HOST:PORT, ray://HOST:PORT, "auto" for the one of this machine, or "local" to start one.
            actors: how many models are loaded; None: as many as its CPUs or GPUs allow.
            cpus: of each of them; None is 1.

        Raises:
            MissingExtraError: ray is not installed.
            InputError: nothing answers at the address.
        """
        self._ray = ray("--ray")
        self._address = address
        self._actors = actors
        self._cpus = cpus or 1
        self._connected = False
        if address not in (LOCAL, "auto"):
            _refuse_silence(address)
        if address != LOCAL:
            self._connect()

    def _connect(self) -> None:
        try:
            self._ray.init(self._address, log_to_driver=False, include_dashboard=None, logging_level="ERROR")
        except Exception as error:  # ConnectionError, RuntimeError, ValueError: Ray has no class of its own
            raise InputError(_unreachable(self._address, str(error).strip().partition("\n")[0])) from error
        self._connected = True

    def answering(self, question: Question) -> _Actors:
        """Load the model on the cluster.

        Raises:
            InputError: the cluster has not what an actor needs.
            TorchlessError: as `Question.load`.
        """
        if not self._connected:
            self._connect()
        return _Actors(self._ray, question, self._actors, self._cpus)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connected:
            self._ray.shutdown()


def _refuse_silence(address: str) -> None:
    """Ray itself waits for half a minute and more."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"--ray {address}: expected local, auto or HOST:PORT.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
    except OSError as error:
        raise InputError(_unreachable(address, error.strerror or str(error))) from error


def _unreachable(address: str, why: str) -> str:
    return (
        f"--ray {address}: no Ray cluster answers there ({why.rstrip('.')}). Start one with: ray start --head; or let "
        "this command do it with: --ray local"
    )


class Responding:
    """A loaded model in a process of Ray's."""

    def __init__(self, question: Question) -> None:
        """Load it with the threads that Ray has given to this process."""
        self._respondent: Respondent = question.asked(threads=assigned_cpus()).load()

    def answer(self, texts: list[Any]) -> tuple[Answered, dict[int, str]]:
        """The answers, and why some texts cannot be read by their place."""
        ready, wrong = prepared(self._respondent, texts)
        return self._respondent.answer(ready), wrong

    def process(self) -> int:
        """The process's number: the model is loaded."""
        return os.getpid()


def assigned_cpus() -> int:
    """How many CPUs Ray has given to this process, at least 1."""
    resources = ray("torchless.ray").get_runtime_context().get_assigned_resources()
    return max(1, int(resources.get("CPU", 1)))


class _Actors:
    """One loaded model per actor."""

    def __init__(self, package: Any, question: Question, actors: int | None, cpus: int) -> None:
        self._ray = package
        gpus = 1 if question.model.device == "cuda" else 0
        there = package.cluster_resources()
        most = int(there.get("GPU", 0)) if gpus else int(there.get("CPU", 0)) // cpus
        count = actors or most
        if count > most:
            raise InputError(
                f"--ray: expected a cluster with room for {count} models of {cpus} CPUs{' and 1 GPU' if gpus else ''}, "
                f"got {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs."
            )
        if not count:
            raise InputError(f"--ray: the cluster has no free room for a model of {cpus} CPUs. Give fewer --ray-cpus.")
        folder = question.model.name
        if os.path.isdir(folder):  # noqa: PTH112  # a name of another kind is none of a path
            question = question.asked(name=os.path.abspath(folder))  # noqa: PTH100
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": -1, "max_task_retries": -1}
        kind = package.remote(**options)(Responding)
        self._actors = [kind.remote(question) for _ in range(count)]
        self.processes: list[int] = [self._get(actor.process.remote()) for actor in self._actors]

    def _get(self, reference: Any) -> Any:
        """What an actor has answered; an error of ours as it was raised there."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, TorchlessError):
                raise cause from error
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise InferenceError(f"Ray could not answer: {lines[-1].strip() if lines else error}") from error

    def answers(self, chunks: Iterator[Block]) -> Generator[Answers, None, None]:
        """The answers to every chunk, in order."""
        sent: deque[tuple[Block, Any]] = deque()
        busy: dict[Any, int] = {}  # answers that are waited for, and the actor
        try:
            for chunk in chunks:
                while len(sent) >= _WAITING * len(self._actors):
                    yield self._next(sent, busy)
                self._forget_finished(busy)
                load = [list(busy.values()).count(place) for place in range(len(self._actors))]
                place = load.index(min(load))
                reference = self._actors[place].answer.remote(texts_of(chunk))
                busy[reference] = place
                sent.append((chunk, reference))
            while sent:
                yield self._next(sent, busy)
        finally:
            with suppress(Exception):
                for actor in self._actors:
                    self._ray.kill(actor)

    def _next(self, sent: deque[tuple[Block, Any]], busy: dict[Any, int]) -> Answers:
        chunk, reference = sent.popleft()
        answered, wrong = self._get(reference)
        busy.pop(reference, None)
        return Answers(chunk, answered, wrong)

    def _forget_finished(self, busy: dict[Any, int]) -> None:
        if busy:
            finished, _ = self._ray.wait(list(busy), num_returns=len(busy), timeout=0, fetch_local=False)
            for reference in finished:
                del busy[reference]
