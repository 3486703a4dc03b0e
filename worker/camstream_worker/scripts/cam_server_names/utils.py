"""``cam_server.utils``: what scripts use of it."""

from urllib.parse import urlsplit

from camstream_worker.scripts.process_variables import epics_lock
from camstream_worker.scripts.process_variables import thread_channel as create_thread_pv
from camstream_worker.scripts.process_variables import thread_channels as create_thread_pvs

__all__ = ["create_thread_pv", "create_thread_pvs", "epics_lock", "get_host_port_from_stream_address"]


def get_host_port_from_stream_address(stream_address: str) -> tuple[str, int]:
    """Host and port of an address such as tcp://host:9999.

    :raises ValueError: if it has no port
    """
    parts = urlsplit(stream_address)
    if not parts.hostname or parts.port is None:
        raise ValueError(f"stream address {stream_address!r}: expected tcp://HOST:PORT")
    # Not parts.hostname, which is in lower case.
    return parts.netloc.rpartition(":")[0], parts.port
