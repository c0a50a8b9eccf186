"""Connections on their way from the process that accepted them to the process that has the fewest.

The kernel passes an open connection on (unix(7), SCM_RIGHTS).
"""

from __future__ import annotations

import mmap
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from .whole import Cell, Row, State

_STALE_S = 1.0  # since a process's last heartbeat: its event loop hangs
_AT_ONCE = 16  # taken at one turn of the loop
_PLACE_BYTES = 2  # a message is the place of who sends it; an empty one would bring no connection


class Ways:
    """The ways into each process; made before the processes are, so that all have them."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(processes)]
        self._received = memoryview(mmap.mmap(-1, processes * processes * 8)).cast("q")  # a row per receiver
        for pair in self._pairs:
            for end in pair:
                end.setblocking(False)

    def send(self, place: int, connection: socket.socket, sender: int) -> bool:
        """Send a connection to a process; False if it takes no more now."""
        try:
            message = sender.to_bytes(_PLACE_BYTES, "big")
            socket.send_fds(self._pairs[place][0], [message], [connection.fileno()])
        except OSError:
            return False
        return True

    def receive(self, place: int) -> socket.socket | None:
        """The next connection that was sent to a process."""
        with suppress(OSError):
            message, files, _, _ = socket.recv_fds(self._pairs[place][1], _PLACE_BYTES, 1)
            self._received[place * self._processes + int.from_bytes(message, "big")] += 1
            return socket.socket(fileno=files[0]) if files else None
        return None

    def received(self, place: int, sender: int) -> int:
        """How many connections a process has had from another."""
        return self._received[place * self._processes + sender]

    def fileno(self, place: int) -> int:
        """What is readable when something was sent to a process."""
        return self._pairs[place][1].fileno()

    def close(self) -> None:
        """Let go of all of them."""
        for pair in self._pairs:
            for end in pair:
                end.close()

    def redirect(self, place: int, other: int) -> None:
        """Send what was sent to a process that has ended to another one."""
        while (connection := self.receive(place)) is not None:
            self.send(other, connection, place)
            connection.close()


class Handover:
    """One process's part in it.

    Attributes:
        row: of the process, in the table of all.
    """

    def __init__(self, ways: Ways, row: Row) -> None:
        self.row = row
        self._ways = ways
        places = range(row.whole.processes)
        self._sent = [ways.received(place, row.place) for place in places]  # an earlier process had this place

    def away(self, connection: socket.socket) -> bool:
        """Send a connection that was just accepted to the process with the fewest, unless that is this one.

        Returns:
            Whether it was sent, and closed here.
        """
        place = self._fewest()
        if place == self.row.place or not self._ways.send(place, connection, self.row.place):
            return False
        connection.close()
        self._sent[place] += 1
        return True

    def _fewest(self) -> int:
        """The process with the fewest connections, on the way to it included: this one, or one that is ready."""
        whole, own, fresh_s = self.row.whole, self.row.place, time.monotonic() - _STALE_S
        rows = enumerate(zip(whole.column(Cell.STATE), whole.column(Cell.BEAT_S), strict=True))
        ready = [place for place, (state, beat_s) in rows if state == State.READY and beat_s > fresh_s]

        def count(place: int) -> float:
            return whole.get(place, Cell.CONNECTIONS) + self._sent[place] - self._ways.received(place, own)

        return min([own, *ready], key=count)

    def fileno(self) -> int:
        """What is readable when a connection has come from another process."""
        return self._ways.fileno(self.row.place)

    def take(self, begin: Callable[[socket.socket], None]) -> None:
        """Begin what has come from other processes."""
        for _ in range(_AT_ONCE):
            connection = self._ways.receive(self.row.place)
            if connection is None:
                return
            begin(connection)
