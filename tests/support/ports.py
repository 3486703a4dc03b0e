"""Free ports for what a test starts.

Below the ports that Linux gives to connecting sockets (from 32768): one of those may be given to somebody else, or be connected to
itself, before the process that was told to listen there does. And above those that `camstream run` takes (12000 to 15000).
"""

import itertools
import os
import random
import socket

FIRST, PER_PROCESS, PROCESSES = 16000, 1600, 8


def _mine() -> range:
    """Those of this process of pytest: no two that run side by side hand out the same one."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES
    return range(FIRST + number * PER_PROCESS, FIRST + (number + 1) * PER_PROCESS)


_in_turn = itertools.cycle(random.sample(_mine(), PER_PROCESS))


def free_port() -> int:
    """The next one on which nobody listens. Each is handed out once before any is handed out again."""
    for port in itertools.islice(_in_turn, PER_PROCESS):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no free port from {_mine().start} to {_mine().stop - 1}")
