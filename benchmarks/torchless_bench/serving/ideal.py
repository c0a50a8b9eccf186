"""The shortest times that queueing theory allows a server."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence


def ideal_queue(service_s: Sequence[float], per_second: float, servers: int, *, count: int = 100_000) -> list[float]:
    """Simulate an M/G/k queue: requests arrive at random times, and wait only while every server is busy.

    With CPUs as servers and the times of lone requests as service times, no server that runs requests one by one can be
    faster: from its sending to its answer, a lone request keeps one CPU busy after another.

    Args:
        service_s: seconds for which a request occupies a server; each request draws one of them.
        per_second: requests per second.
        servers: number of servers.
        count: number of requests to simulate.

    Returns:
        Seconds from arrival to answer of each request.
    """
    chance, now_s = random.Random(0), 0.0
    free_s, taken_s = [0.0] * servers, []
    for _ in range(count):
        now_s += chance.expovariate(per_second)
        end_s = max(now_s, heapq.heappop(free_s)) + chance.choice(service_s)
        heapq.heappush(free_s, end_s)
        taken_s.append(end_s - now_s)
    return taken_s
