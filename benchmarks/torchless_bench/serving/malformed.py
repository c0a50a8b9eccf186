"""Malformed bodies for every path, and a client that sends many of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator

from torchless_bench.serving.client import Connection, connect

SEEDS = {
    "/predict": {"inputs": [["a"], ["b"]], "truncate": True, "raw_scores": False},
    "/embed": {"inputs": ["a", "b"], "normalize": True, "dimensions": None},
    "/tokenize": {"inputs": "a", "add_special_tokens": True},
    "/": {"inputs": "a", "parameters": {"top_k": 2, "function_to_apply": "sigmoid"}},
    "/classify": {"model": "model", "input": ["a"], "use_activation": True},
    "/v1/embeddings": {"model": "model", "input": "a", "encoding_format": "base64", "dimensions": 1},
    "/v2/models/model/infer": {"inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
}
_CLIENTS = 8


def bodies(count: int) -> Iterator[tuple[str, bytes]]:
    """So many paths and bodies, always the same ones."""
    chance = random.Random(7)
    paths = list(SEEDS)
    for number in range(count):
        path = paths[number % len(paths)]
        yield path, mutate(json.dumps(SEEDS[path]).encode(), chance)


def mutate(body: bytes, chance: random.Random) -> bytes:
    """A body with one to four mutations."""
    for _ in range(chance.randint(1, 4)):
        place, kind = chance.randrange(len(body) + 1), chance.randrange(6)
        if kind == 0:
            body = body[:place] + chance.randbytes(chance.randint(1, 4)) + body[place:]
        elif kind == 1:
            body = body[:place]
        elif kind == 2:
            body = body[:place] + body[place + chance.randint(1, 6) :]
        elif kind == 3:
            body = body.replace(
                b'"a"', chance.choice([b"1e999", b"[" * 3000, b"null", b'"\\ud800"', b'{"a":[]}', b"-0", b"9" * 5000])
            )
        elif kind == 4:
            body = body[:place] + chance.choice([b'"', b"{", b"]", b",", b":", b"\\", b"\x00"]) + body[place:]
        else:
            body = body + body[place:]
    return body


async def send_all(port: int, count: int, headers: str) -> Counter[str]:
    """Send so many malformed bodies over a few connections; how often each status came."""
    statuses: Counter[str] = Counter()
    made = bodies(count)

    async def client() -> None:
        connection: Connection | None = None
        for path, body in made:
            if connection is None or connection.closed:
                connection = await connect(port)
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}"
            try:
                status, _ = await connection.ask(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                statuses[str(status)] += 1
            except ConnectionError:
                statuses["reset"] += 1
        if connection is not None:
            connection.close()

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))
    return statuses
