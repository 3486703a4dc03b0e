"""Wait for something to become true, instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T], timeout_s: float = 15.0, pause_s: float = 0.02) -> T:
    """Ask until the answer is true; fail with the last answer after ``timeout_s`` [s].

    :param pause_s: between two questions [s]; longer where a question is a process of its own
    """
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s} s; last answer {answer!r}")
        time.sleep(pause_s)
    return answer
