"""Doing things at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence


def at_once(work: Sequence[Callable[[], object]]) -> None:
    """Do everything in threads of its own; an error of one is the caller's, a thread that hangs an AssertionError."""
    errors: list[BaseException] = []

    def guarded(one: Callable[[], object]) -> None:
        try:
            one()
        except BaseException as e:  # noqa: BLE001  a thread's error belongs to the test
            errors.append(e)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
