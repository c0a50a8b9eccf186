"""Which of several waiting threads is woken."""

from __future__ import annotations

import threading

from torchless.serve.condition import LastFirst


def test_the_thread_that_began_to_wait_last_is_woken_first() -> None:
    condition, asleep, woken = LastFirst(), [], []

    def sleeper(name: str) -> None:
        with condition:
            asleep.append(name)
            condition.wait()
            woken.append(name)

    threads = {}
    for name in ("first", "second", "third"):
        threads[name] = threading.Thread(target=sleeper, args=[name], daemon=True)
        threads[name].start()
        while not fell_asleep(condition, asleep, name):
            pass
    for name in ("third", "second", "first"):
        with condition:
            condition.notify()
        threads[name].join(10)
    assert woken == ["third", "second", "first"]
    with condition:
        condition.notify_all()  # with no thread waiting it does nothing


def fell_asleep(condition: LastFirst, asleep: list[str], name: str) -> bool:
    with condition:  # it is free only before a sleeper has it, and once it sleeps
        return name in asleep
