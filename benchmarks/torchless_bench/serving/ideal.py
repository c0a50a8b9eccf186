"""What a server could reach at best, by queueing theory."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence


def ideal_queue(service_s: Sequence[float], per_second: float, servers: int, *, count: int = 100_000) -> list[float]:
    """Seconds a request takes where nothing but the queue costs time: an M/G/k queue, simulated.

    Requests come at random times; each takes one of the servers for one of `service_s`, the first come first. With
    CPUs as servers and lone requests' times this is the best that any order of single requests could do: a lone
    request keeps one CPU busy after another from its sending to its answer.
    """
    chance, now_s = random.Random(0), 0.0
    free_s, taken_s = [0.0] * servers, []
    for _ in range(count):
        now_s += chance.expovariate(per_second)
        end_s = max(now_s, heapq.heappop(free_s)) + chance.choice(service_s)
        heapq.heappush(free_s, end_s)
        taken_s.append(end_s - now_s)
    return taken_s
