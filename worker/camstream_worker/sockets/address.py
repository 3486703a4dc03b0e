"""Addresses of ZeroMQ, ``tcp://host:port`` and ``ipc://path``, for the operating system."""

import errno
import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

WAITING_CONNECTIONS = 100
"""Connections that the kernel holds until they are taken."""


class AddressInUse(OSError):  # noqa: N818 - what it is
    """Somebody else listens at the address of the stream."""


class Endpoint(NamedTuple):
    """A socket's family, and where."""

    family: socket.AddressFamily
    where: tuple[str, int] | str


def endpoint(address: str) -> Endpoint:
    """Where an address is. A name is looked up, which may take as long as the name server does.

    :raises OSError: if the name is not known
    """
    scheme, _, rest = address.partition("://")
    if scheme == "ipc":
        # As in ZeroMQ, @ stands for a name that is no file.
        return Endpoint(socket.AF_UNIX, "\0" + rest[1:] if rest.startswith("@") else rest)
    host, _, port = rest.rpartition(":")
    host = host.strip("[]")
    if host in ("*", ""):
        return Endpoint(socket.AF_INET, ("", int(port)))
    family, *_, where = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    return Endpoint(family, (str(where[0]), int(port)))


def listen(address: str) -> tuple[socket.socket, str]:
    """Begin to listen; the address with the port that was given, if the port was 0.

    :raises AddressInUse: if somebody else listens there
    :raises OSError: if it cannot be had for another reason
    """
    found = endpoint(address)
    listener = socket.socket(found.family, socket.SOCK_STREAM)
    try:
        if isinstance(found.where, str) and found.where[:1] != "\0":
            _remove_stale(Path(found.where))
        elif found.family != socket.AF_UNIX:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found.where)
        listener.listen(WAITING_CONNECTIONS)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"{address} is in use by another program; choose another port (output.port)") from error
        raise OSError(error.errno, f"cannot listen at {address}: {error.strerror}") from error
    return listener, _name(listener, address)


def _name(listener: socket.socket, address: str) -> str:
    if listener.family == socket.AF_UNIX:
        return address
    host, port = listener.getsockname()[:2]
    return f"tcp://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"tcp://{host}:{port}"


def _remove_stale(path: Path) -> None:
    """A file that a program that is gone has left is in the way; one where somebody answers is not touched."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
            with suppress(FileNotFoundError):
                path.unlink()
