"""EPICS process variables for scripts, one set per thread.

Channel Access ties a channel to the context of the thread that made it. A thread that has no context joins the one that libca was
loaded with, so that no thread of ours is needed; libca runs its own two or three for the whole process.
"""

import threading
from collections.abc import Iterable
from typing import Any

epics_lock = threading.RLock()
"""For scripts: whoever holds it may put values."""

CONNECTION_TIMEOUT_S = 5.0


class _Channels(threading.local):
    """What the present thread has made; it goes with the thread."""

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {}


_channels = _Channels()


def thread_channel(name: str, wait: bool = False) -> Any:
    """The ``epics.PV`` of a process variable that belongs to the calling thread; made at the first call.

    :param wait: until it is connected, at most 5 s; without it, look at ``connected``
    """
    # libca reads the environment when it is loaded, and most scripts have nothing to do with EPICS.
    import epics

    if epics.ca.current_context() is None:
        epics.ca.use_initial_context()
    known = _channels.by_name.get(name)
    # A script may have thrown the context away (epics.ca.clear_cache), and with it the channels.
    if known is None or known.context != epics.ca.current_context():
        known = _channels.by_name[name] = epics.PV(name)
    if wait:
        known.wait_for_connection(CONNECTION_TIMEOUT_S)
    return known


def thread_channels(names: Iterable[str] | str) -> list[Any]:
    """The PVs of several process variables, in their order, connected or not."""
    return [thread_channel(name) for name in ([names] if isinstance(names, str) else names)]
