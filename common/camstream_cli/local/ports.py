"""Where the workers of this machine listen: one pair of ports per object, the same for the life of the run."""

import errno
import itertools
import socket
from collections.abc import Collection
from dataclasses import dataclass

from camstream.errors import CamstreamError, SpecError
from camstream.spec.key import Key
from camstream.spec.objects import Camera, Pipeline
from camstream.spec.pipeline import PipelineType

# Below the ports that Linux gives to connecting sockets: a client that connects again and again to the port of a worker that is
# down could otherwise be given this very port, and would then be connected to itself.
FIRST_STREAM_PORT = 12000
FIRST_HTTP_PORT = 13000
FIRST_GATHER_PORT = 14000
PORTS = 1000

HTTP_HOST = "127.0.0.1"
"""Health and status are for this machine only."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one worker listens."""

    host: str
    stream_port: int
    http_port: int
    gather_port: int = 0
    """Where a FanIn listens for those that send to it; 0: it is none."""

    @property
    def gather(self) -> str:
        return f"tcp://{HTTP_HOST}:{self.gather_port}"

    @property
    def listen(self) -> str:
        """The stream, for the worker."""
        return f"tcp://{self.host}:{self.stream_port}"

    @property
    def local(self) -> str:
        """The stream, for readers on this machine."""
        return f"tcp://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.stream_port}"  # noqa: S104

    @property
    def public(self) -> str:
        """The stream, for everybody who can reach it."""
        return f"tcp://{socket.gethostname() if self.host == '0.0.0.0' else self.host}:{self.stream_port}"  # noqa: S104

    @property
    def http(self) -> str:
        return f"http://{HTTP_HOST}:{self.http_port}"


def replica_keys(thing: Camera | Pipeline) -> list[Key]:
    """One key per worker of an object, the first of them its own.

    Where readers connect to the worker there is one only: on this machine nothing stands in front that could share them out.
    """
    key = Key.of(thing)
    if not isinstance(thing, Pipeline) or thing.spec.output.is_listening:
        return [key]
    # A dot is in no name of an object.
    return [key, *(key._replace(name=f"{key.name}.{number}") for number in range(2, thing.spec.replicas + 1))]


class Reservation:
    """A port that a worker of ours can listen on, and nobody else. Gone with this process, however that ends."""

    def __init__(self, host: str, port: int) -> None:
        """:raises OSError: if the port is in use or reserved"""
        self.port = port
        # A name in the kernel, without a file, keeps other supervisors away: they share ports as workers do, see below.
        self._name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._held = socket.socket()
        # Linux lets a second socket listen on a port that is bound by one that does not listen, where both say this. It also says
        # that connections of an earlier run, which the kernel remembers for a minute, do not matter: addresses stay the same.
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._name.bind(f"\0camstream-port-{port}")
            self._held.bind((host, port))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        self._held.close()
        self._name.close()


class Ports:
    """Gives each object its ports and keeps others from taking them."""

    def __init__(self, host: str) -> None:
        """
        :param host: IPv4 address or name of an interface of this machine; ``0.0.0.0`` for all of them
        :raises CamstreamError: if there is no such interface
        """
        try:
            self.host = socket.gethostbyname(host)
            with socket.socket() as probe:
                probe.bind((self.host, 0))
        except OSError as error:
            raise CamstreamError(
                f"cannot listen on host {host!r}: {error.strerror}; use an IPv4 address of this machine, or 0.0.0.0 for all"
            ) from error
        self._endpoints: dict[Key, Endpoint] = {}
        self._reserved: dict[Key, list[Reservation]] = {}

    def assign(self, objects: Collection[Camera | Pipeline], busy: Collection[Key] = ()) -> dict[Key, Endpoint | SpecError]:
        """Where each object and each of its replicas listens. Those that are gone give their ports back.

        :param busy: whose ports are still in use, also where they are gone

        An object whose ``output.port`` belongs to another one gets the error; the other one is not disturbed.
        """
        wanted = {Key.of(thing): thing.spec.output.port for thing in objects}
        wanted |= {key: None for thing in objects for key in replica_keys(thing)[1:]}
        gathering = {Key.of(thing) for thing in objects if isinstance(thing, Pipeline) and thing.spec.type is PipelineType.FAN_IN}
        for key in [key for key, endpoint in self._endpoints.items() if wanted.get(key, 0) not in (None, endpoint.stream_port)]:
            if key in wanted or key not in busy:
                self._release(key)
        return {key: self._give(key, port, wanted, key in gathering) for key, port in wanted.items()}

    def close(self) -> None:
        for key in list(self._endpoints):
            self._release(key)

    def _give(self, key: Key, port: int | None, wanted: dict[Key, int | None], gathers: bool) -> Endpoint | SpecError:
        if key in self._endpoints:
            return self._endpoints[key]
        if owner := next((other for other, endpoint in self._endpoints.items() if endpoint.stream_port == port), None):
            return SpecError(f"{key} asks for port {port} (output.port), which {owner} has; choose another port for one of them")
        fixed = {number for number in wanted.values() if number}
        held = self._reserved.setdefault(key, [])
        try:
            held.append(_reserve(HTTP_HOST, FIRST_HTTP_PORT, fixed))
            if gathers:
                held.append(_reserve(HTTP_HOST, FIRST_GATHER_PORT, fixed))
            if port is None:
                held.append(_reserve(self.host, FIRST_STREAM_PORT, fixed))
        except SpecError as error:
            self._release(key)
            return error
        self._endpoints[key] = Endpoint(
            self.host, stream_port=port or held[-1].port, http_port=held[0].port, gather_port=held[1].port if gathers else 0
        )
        return self._endpoints[key]

    def _release(self, key: Key) -> None:
        self._endpoints.pop(key, None)
        for held in self._reserved.pop(key):
            held.close()


def _reserve(host: str, first: int, avoid: Collection[int]) -> Reservation:
    """Reserve the first free port."""
    for port in itertools.islice((p for p in itertools.count(first) if p not in avoid), PORTS):
        try:
            return Reservation(host, port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    raise SpecError(f"no free port on {host} from {first} to {first + PORTS - 1}; stop what uses them (`ss -ltnp`)")
