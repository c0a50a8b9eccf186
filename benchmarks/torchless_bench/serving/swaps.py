"""A link to a bundle is swapped all the time, and the server reloads it under load: every answer is of one bundle."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from torchless.bundle.bundle import Bundle
from torchless_bench.serving.process import ServerProcess
from torchless_bench.serving.report import counted

TEXTS = ["I hate this so much", "What a delight", "never again " * 20, "neither good nor bad"]
_SWAPS_PER_S = 2
_CLIENTS = 8
_TOLERANCE = 0.02  # scores of a text differ a little with the batch that it is in


def point(link: Path, target: Path) -> None:
    """Let a link lead elsewhere, at once."""
    following = link.with_name("next")
    following.symlink_to(target)
    following.replace(link)


def other_bundle(source: Path, target: Path) -> None:
    """The same bundle with other names of its labels, and so another manifest."""
    shutil.copytree(source, target)
    manifest = Bundle.open(source).manifest
    renamed = dataclasses.replace(manifest, labels=tuple(f"other {label}" for label in manifest.labels))
    (target / "manifest.json").write_bytes(renamed.to_bytes())


def swap_under_load(server: ServerProcess, key: dict[str, str], link: Path, targets: list[Path], seconds: float) -> str:
    """Swap the link twice a second, reload all the time, and compare every answer with those of both bundles."""
    known = [_answers(server, key, link, target) for target in targets]
    counts: Counter[str] = Counter()
    reloads: Counter[int] = Counter()
    end_s = time.monotonic() + seconds

    def client(place: int) -> None:
        while time.monotonic() < end_s:
            place = (place + 1) % len(TEXTS)
            status, answer = server.ask("POST", "/predict", {"inputs": TEXTS[place]}, key)
            counts[_whose(status, answer, [each[place] for each in known])] += 1

    def swap() -> None:
        number = 0
        while time.monotonic() < end_s:
            number += 1
            point(link, targets[number % len(targets)])
            counts["swaps"] += 1
            time.sleep(1 / _SWAPS_PER_S)

    def reload() -> None:
        while time.monotonic() < end_s:
            reloads[server.ask("POST", "/admin/reload", {}, key)[0]] += 1

    work = [threading.Thread(target=swap), threading.Thread(target=reload)]
    work += [threading.Thread(target=client, args=(place,)) for place in range(_CLIENTS)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    point(link, targets[0])
    server.ask("POST", "/admin/reload", {}, key)
    return f"{counted(counts)}; reloads {counted(reloads)}"


def _answers(server: ServerProcess, key: dict[str, str], link: Path, target: Path) -> list[Any]:
    point(link, target)
    status, answer = server.ask("POST", "/admin/reload", {}, key)
    if status != 200:
        raise RuntimeError(f"a reload was answered {status}: {answer!r}")
    return [json.loads(server.ask("POST", "/predict", {"inputs": text}, key)[1]) for text in TEXTS]


def _whose(status: int, answer: bytes, known: list[Any]) -> str:
    if status != 200:
        return f"status {status}"
    given = {each["label"]: each["score"] for each in json.loads(answer)}
    for number, expected in enumerate(known, start=1):
        scores = {each["label"]: each["score"] for each in expected}
        if scores.keys() == given.keys() and all(abs(scores[label] - given[label]) < _TOLERANCE for label in scores):
            return f"of bundle {number}"
    return "OF NEITHER"
