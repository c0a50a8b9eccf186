"""`torchless serve --processes N`: starts the processes, replaces one that ends, and asks all of them as one server.

The supervisor answers no request and has no thread, so it can fork at any time. Each process listens on the sockets
that it inherits, has a row in a table of numbers (`whole.py`) and a channel to the supervisor (`channel.py`).
"""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from torchless.errors import InferenceError, InputError, TorchlessError

from .channel import Channel, PeerError
from .child import LOOK_S, Child, end_with, how
from .handover import Handover, Ways
from .listening import shown_address
from .logs import log, log_error
from .metrics import Counts, merged
from .settings import Settings
from .watch import HANGS, hang_s
from .whole import Cell, State, Whole

Serve = Callable[[socket.socket, Handover], None]  # what a process does with its channel and the way to the others
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0  # before a process is replaced; doubled each time
_SOUND_S = 60.0  # of life, after which the pause is short again
_ANSWER_S = 1.0  # for the numbers of another process
_GRACE_S = 1.8  # beyond what was promised, before what has not ended by itself is ended; 2 s are allowed
_TRIES = 3  # of a reload whose source changes meanwhile
_LOAD_S, _SWAP_S = 1800.0, 5.0  # for the two halves of a reload; a bundle on the Hub may take long to come


class Supervisor:
    """The processes of one server."""

    def __init__(self, settings: Settings, processes: int, listeners: list[socket.socket], work: Serve) -> None:
        """Start nothing yet.

        Args:
            settings: how long ends take.
            processes: how many there are.
            listeners: open sockets.
            work: what a process does; it does not return before the process should end.
        """
        self._settings, self._listeners, self._work = settings, listeners, work
        self._whole = Whole(processes)
        self._ways = Ways(processes)
        self._children: dict[int, Child] = {}
        self._pauses_s: dict[int, float] = {}
        self._ended: Counts = []  # of processes that are no more
        self._expected: dict[str, str] = {}  # what all processes serve
        self._stopping = 0
        self._problem: TorchlessError | None = None
        # Unlike epoll, poll keeps nothing in the kernel that a forked process would share.
        self._loop = asyncio.SelectorEventLoop(selectors.PollSelector())
        self._places: asyncio.Queue[int | None] = asyncio.Queue()  # to be filled; None: all have ended
        self._reloading = asyncio.Lock()
        self._reloads: dict[str | None, asyncio.Future[dict[str, str]]] = {}  # that wait to begin, by name
        self._tasks: set[asyncio.Future[Any]] = set()

    def run(self) -> None:
        """Run until a signal has ended all processes.

        Raises:
            TorchlessError: no process could load the models.
            InferenceError: a process did not end as it should.
        """
        asyncio.set_event_loop(self._loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop, number)
        self._loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload_for_signal()))
        self._loop.call_later(LOOK_S, self._look, self._loop.time())
        gc.collect()
        gc.freeze()  # what is here stays shared with the processes
        for first in range(self._whole.processes):
            self._places.put_nowait(first)
        while (next_place := self._loop.run_until_complete(self._places.get())) is not None:
            if not self._stopping:
                self._fork(next_place)
        self._loop.close()
        self._ways.close()
        if self._problem:
            raise self._problem

    # Processes begin and end.

    def _fork(self, place: int) -> None:
        supervisor = os.getpid()
        try:
            ours, theirs = socket.socketpair()
            pid = os.fork()
        except OSError as error:  # no more processes or files are allowed now
            pause_s = self._next_pause_s(place)
            log_error("a process could not be begun", process=place, error=str(error), pause_s=pause_s)
            self._loop.call_later(pause_s, self._places.put_nowait, place)
            return
        if pid == 0:
            ours.close()
            self._become_child()
            end_with(supervisor)
            self._work(theirs, Handover(self._ways, self._whole.row(place)))
            os._exit(1)  # it ends the process itself
        theirs.close()
        ours.setblocking(False)
        child = Child(pid, Channel(ours, lambda what, given: self._answer(place, what, given)), self._loop.time())
        self._children[place] = child
        self._begin(self._follow(place, child))

    def _become_child(self) -> None:
        """Let go of what is the supervisor's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all; the supervisor passes them on
            signal.signal(number, signal.SIG_IGN)
        for child in self._children.values():
            child.channel.close()
        self._loop.close()

    async def _follow(self, place: int, child: Child) -> None:
        """Wait for the end of a process, and see to what comes after it."""
        await child.channel.run()
        while not (status := os.waitpid(child.pid, os.WNOHANG))[0]:
            await asyncio.sleep(0.01)
        code = os.waitstatus_to_exitcode(status[1])
        del self._children[place]
        if not any(other.loaded for other in self._children.values()):
            self._expected = {}  # nobody serves it any more: what the next process finds is right
        self._ended = merged([self._ended, child.counts])
        self._whole.clear(place)
        ready = (other for other in self._children if self._whole.get(other, Cell.STATE) == State.READY)
        if (other := next(ready, None)) is not None:
            self._ways.redirect(place, other)
        if self._stopping:
            if code != 0 and self._problem is None and self._stopping == 1:
                self._problem = InferenceError(f"a process of the server ended with {how(code)} while it shut down")
        elif not self._whole.opened:
            told = child.problem and (str(child.problem), child.problem.kind)
            self._give_up(*(told or (f"a process of the server ended with {how(code)} while it loaded", "")))
        else:
            self._replace(place, child, code)
        if self._stopping and not self._children:
            self._places.put_nowait(None)

    def _give_up(self, message: str, kind: str) -> None:
        """No model could be loaded: end the others too."""
        self._problem = (InputError if kind == "InputError" else TorchlessError)(message)
        self._stopping = 2
        self._kill()

    def _replace(self, place: int, child: Child, code: int) -> None:
        self._whole.count_replaced()
        if self._loop.time() - child.begun_s > _SOUND_S:
            self._pauses_s.pop(place, None)
        pause_s = self._next_pause_s(place)
        error = str(child.problem) if child.problem else how(code)
        log_error("a process ended, and is replaced", process=place, pid=child.pid, error=error, pause_s=pause_s)
        self._loop.call_later(pause_s, self._places.put_nowait, place)

    def _next_pause_s(self, place: int) -> float:
        """Before the next try to fill a place; longer each time."""
        pause_s = self._pauses_s.get(place, _FIRST_PAUSE_S)
        self._pauses_s[place] = min(2 * pause_s, _LONGEST_PAUSE_S)
        return pause_s

    def _look(self, last_s: float) -> None:
        """End a process whose heartbeat has stopped for as long as a thread may hang: it cannot see that itself."""
        now_s, most_s = self._loop.time(), HANGS * hang_s(self._settings)
        for place, child in self._children.items():
            child.look(self._whole.get(place, Cell.BEAT_S), min(now_s - last_s, 2 * LOOK_S))
            if child.silent_s > most_s and not self._stopping:  # one that shuts down has an end of its own
                child.problem = PeerError(f"it hung for {child.silent_s:.0f} s, and was ended", "InferenceError")
                child.kill()
        self._loop.call_later(LOOK_S, self._look, now_s)

    # Signals.

    def _stop(self, number: int) -> None:
        """First signal: let all processes drain. Second signal: stop them now."""
        self._stopping += 1
        settings = self._settings
        if self._stopping == 1:
            log("draining", signal=signal.Signals(number).name)
            self._loop.call_later(settings.drain_s + settings.max_drain_s + _GRACE_S, self._kill)
        for child in self._children.values():
            child.channel.tell("drain" if self._stopping == 1 else "stop")
        if self._stopping == 2:
            self._loop.call_later(_GRACE_S, self._kill)
        if not self._children:
            self._places.put_nowait(None)

    def _kill(self) -> None:
        for child in self._children.values():
            child.kill()

    async def _reload_for_signal(self) -> None:
        try:
            await self._reload(None)
        except TorchlessError as error:
            log_error("reload failed; the models that ran before go on", error=str(error))

    def _begin(self, work: Any) -> asyncio.Future[Any]:
        task: asyncio.Future[Any] = asyncio.ensure_future(work, loop=self._loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # What processes ask.

    async def _answer(self, place: int, what: str, given: Any) -> Any:
        child = self._children[place]
        if what == "loaded":
            return self._note_loaded(child, given)
        if what == "unloadable":
            child.problem = PeerError(*given)
            return None
        if what == "counts":
            child.counts = given
            return await self._counts_of_others(place)
        return await self._reload(given)

    def _note_loaded(self, child: Child, loaded: dict[str, str]) -> bool:
        """Whether the models are those of the other processes."""
        self._expected = self._expected or loaded
        if loaded != self._expected:
            problem = "it found another bundle than the other processes serve; a reload (SIGHUP) makes them one"
            child.problem = PeerError(problem, "IntegrityError")
            return False
        child.loaded = loaded
        loading = self._whole.processes - sum(bool(each.loaded) for each in self._children.values())
        if not self._whole.opened and not loading:
            self._whole.open()
            workers = int(self._whole.total(Cell.WORKERS))
            address = shown_address(self._listeners[0])
            numbers = {"processes": self._whole.processes, "lone_threads": self._settings.lone_threads}
            log("ready", address=address, workers=workers, **numbers)
        return True

    async def _counts_of_others(self, asking: int) -> Counts:
        """The counters of all processes but one, ended ones included; of one that hangs, the last that are known."""
        others = [child for place, child in self._children.items() if place != asking]

        async def one(child: Child) -> None:
            with suppress(PeerError, TimeoutError):
                child.counts = await asyncio.wait_for(child.channel.ask("counts"), _ANSWER_S)

        await asyncio.gather(*map(one, others))
        return merged([self._ended, *(child.counts for child in others)])

    async def _reload(self, name: str | None) -> dict[str, str]:
        """Load a model (None: every model) again; all that ask before it begins share one reload."""
        if name not in self._reloads:
            self._reloads[name] = self._begin(self._reload_all(name))
        return await asyncio.shield(self._reloads[name])

    async def _reload_all(self, name: str | None) -> dict[str, str]:
        """Load it in all processes, and swap it in once all of them have it."""
        async with self._reloading:
            del self._reloads[name]
            for _ in range(_TRIES):
                children = list(self._children.values())
                if not children:  # those that are begun next load it anyway
                    return {}
                found = await self._ask_all(children, "prepare", name, within_s=_LOAD_S)
                wrong = next((each for each in found if isinstance(each, BaseException)), None)
                same = wrong is None and all(each == found[0] for each in found)
                # One that stops before it swaps will swap once it goes on, or be replaced by one that loads the new.
                await self._ask_all(children, "swap" if same else "forget", within_s=_SWAP_S)
                if same:
                    fresh: dict[str, str] = found[0]
                    self._expected = {**self._expected, **fresh}
                    for child in children:
                        child.loaded = self._expected
                    return fresh
                if wrong is not None:
                    raise wrong
            raise PeerError("the bundle changed while it was loaded; try again", "IntegrityError")

    async def _ask_all(self, children: list[Child], what: str, given: Any = None, *, within_s: float) -> list[Any]:
        """What each answers, or the error that it raises."""
        asked = (child.ask(what, given, within_s=within_s) for child in children)
        return await asyncio.gather(*asked, return_exceptions=True)
