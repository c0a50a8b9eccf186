"""An HTTP client that takes little CPU time.

It uses raw connections, sends requests that were built beforehand, and searches answers only for their end.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

_OPEN_BEFOREHAND = 64


@dataclass
class Outcomes:
    """The answers to a load.

    Attributes:
        seconds: seconds from each request to its answer, for answers with status 200.
        inference_s: seconds of inference that the server reports for each of them; empty if it reports none.
        statuses: number of answers by status; "reset" and "refused" count connections that ended without a status.
        retry_after_s: the value of each Retry-After header, in seconds.
        wall_s: seconds during which requests were sent.
        cpu_s: CPU seconds of this process, the client, during that time.
        settled_s: seconds from the end of sending to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    inference_s: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    retry_after_s: list[int] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    settled_s: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers with status 200 per second."""
        return len(self.seconds) / self.wall_s

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the milliseconds of all answers with status 200; NaN if there are none."""
        return float(np.percentile(self.seconds, percent)) * 1e3 if self.seconds else float("nan")


class Connection(asyncio.Protocol):
    """One connection that is kept open between requests."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport, and send small packets at once."""
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Collect the bytes of an answer until it is complete."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        if b"content-length: " in lower:
            whole = len(body) >= int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        else:
            whole = body.endswith(b"0\r\n\r\n")  # chunked
        if whole and self._answer is not None and not self._answer.done():
            self._received = b""
            self.closed = self.closed or b"connection: close" in lower
            self._answer.set_result((int(head[9:12]), lower))

    def connection_lost(self, error: Exception | None) -> None:
        """End a waiting request with an error."""
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(str(error)))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request.

        Returns:
            Status and head of the answer.

        Raises:
            ConnectionResetError: the connection was closed before the answer was complete.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def requests(path: str, bodies: Sequence[object], headers: str = "") -> list[bytes]:
    """The bytes of POST requests to a path, one per body."""
    made = []
    for body in bodies:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}"
        made.append(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    return made


async def connect(port: int) -> Connection:
    """A connection to a server on this machine."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def closed_loop(
    port: int, made: Sequence[bytes], *, concurrency: int, seconds: float, until: asyncio.Event | None = None
) -> Outcomes:
    """Send requests from `concurrency` clients, each of which waits for its answer before its next request.

    Args:
        port: the server's port on the loopback.
        made: the requests, which clients send in turn.
        concurrency: number of clients.
        seconds: how long to send.
        until: ends the load before that, once it is set.
    """
    outcomes, begun_s, cpu_s = Outcomes(), perf_counter(), time.process_time()

    def over() -> bool:
        return perf_counter() - begun_s > seconds or (until is not None and until.is_set())

    async def client(place: int) -> None:
        connection: Connection | None = None
        while not over():
            place += concurrency
            if connection is None or connection.closed:
                try:
                    connection = await connect(port)
                except OSError:
                    outcomes.statuses["refused"] += 1
                    return
            await _one(connection, made[place % len(made)], outcomes)
        if connection is not None:
            connection.close()

    await asyncio.gather(*(client(place) for place in range(concurrency)))
    outcomes.wall_s, outcomes.cpu_s = perf_counter() - begun_s, time.process_time() - cpu_s
    return outcomes


async def open_loop(
    port: int, made: Sequence[bytes], *, per_second: float, seconds: float, even: bool = False, seed: int = 0
) -> Outcomes:
    """Send requests at a rate, without waiting for answers.

    Args:
        port: the server's port on the loopback.
        made: the requests, sent in turn.
        per_second: requests per second.
        seconds: how long to send.
        even: send at equal distances instead of at random times (a Poisson process).
        seed: of the random times.
    """
    outcomes, loop, sent = Outcomes(), asyncio.get_running_loop(), asyncio.Event()
    idle = [await connect(port) for _ in range(_OPEN_BEFOREHAND)]
    tasks: set[asyncio.Task[None]] = set()

    async def one(request: bytes) -> None:
        while idle and idle[-1].closed:
            idle.pop()
        try:
            connection = idle.pop() if idle else await connect(port)
        except OSError:
            outcomes.statuses["refused"] += 1
            return
        await _one(connection, request, outcomes)
        if not connection.closed:
            idle.append(connection)

    def send(place: int) -> None:
        task = loop.create_task(one(made[place % len(made)]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def pace() -> None:  # in a thread, because timers of event loops are exact to a millisecond only
        chance, due_s = random.Random(seed), perf_counter()
        for place in range(int(per_second * seconds)):
            due_s += 1 / per_second if even else chance.expovariate(per_second)
            time.sleep(max(0.0, due_s - perf_counter()))
            loop.call_soon_threadsafe(send, place)
        loop.call_soon_threadsafe(sent.set)

    begun_s, cpu_s = perf_counter(), time.process_time()
    threading.Thread(target=pace).start()
    await sent.wait()
    outcomes.wall_s, outcomes.cpu_s = perf_counter() - begun_s, time.process_time() - cpu_s
    if tasks:
        await asyncio.wait(tasks, timeout=60)
    outcomes.settled_s = perf_counter() - begun_s - outcomes.wall_s
    for connection in idle:
        connection.close()
    return outcomes


async def _one(connection: Connection, request: bytes, outcomes: Outcomes) -> None:
    begun_s = perf_counter()
    try:
        status, head = await connection.ask(request)
    except ConnectionError:
        outcomes.statuses["reset"] += 1
        return
    outcomes.statuses[str(status)] += 1
    if status == 200:
        outcomes.seconds.append(perf_counter() - begun_s)
        if b"x-inference-time: " in head:
            outcomes.inference_s.append(float(head.partition(b"x-inference-time: ")[2].partition(b"\r\n")[0]) / 1e3)
    if b"retry-after: " in head:
        outcomes.retry_after_s.append(int(head.partition(b"retry-after: ")[2].partition(b"\r\n")[0]))
