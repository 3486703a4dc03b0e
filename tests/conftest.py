"""Rules for every test: no ERROR in the log, no thread left behind, nothing but loopback."""

import logging
import os
import threading
import time
from collections.abc import Iterator

import pytest
from ports import free_port

# Before any library reads them. EPICS must never search outside of this machine.
os.environ.update(
    {
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(free_port()),
        "EPICS_CA_REPEATER_PORT": str(free_port()),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def no_errors_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    handler = _Errors()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)
    if request.node.get_closest_marker("allow_errors") is None:
        assert not handler.messages, "logged at level ERROR; mark the test with allow_errors if that is what it is about"


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 3
    while left := [t for t in threading.enumerate() if t not in before and t.is_alive() and not _of_a_library(t)]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads left running: {', '.join(t.name for t in left)}")
        left[0].join(0.1)


def _of_a_library(thread: threading.Thread) -> bool:
    # pyzmq frees zero-copy buffers in one thread for the whole process; asyncio keeps its executor; Channel Access its callbacks.
    return type(thread).__module__.startswith("zmq") or thread.name.startswith(("asyncio_", "Dummy"))
