import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
import zmq
from objects import make_camera, make_pipeline
from ports import free_port

from camstream.errors import CamstreamError, SpecError
from camstream.spec.key import Key
from camstream_cli.local.ports import Endpoint, Ports, Reservation


@pytest.fixture
def ports() -> Iterator[Ports]:
    with closing(Ports("127.0.0.1")) as found:
        yield found


def only(found: dict[Key, Endpoint | SpecError], name: str) -> Endpoint:
    endpoint = next(value for key, value in found.items() if key.name == name)
    assert isinstance(endpoint, Endpoint)
    return endpoint


def test_each_object_has_ports_of_its_own(ports: Ports) -> None:
    found = ports.assign([make_camera("a"), make_camera("b"), make_pipeline("a")])
    numbers = [n for e in found.values() if isinstance(e, Endpoint) for n in (e.stream_port, e.http_port)]
    assert len(numbers) == len(set(numbers)) == 6


def test_an_object_keeps_its_ports_when_others_come_and_go(ports: Ports) -> None:
    before = only(ports.assign([make_camera("a"), make_camera("b")]), "b")
    assert only(ports.assign([make_camera("c"), make_camera("b")]), "b") == before


def test_fixed_port_is_obeyed_and_never_given_to_another(ports: Ports) -> None:
    first = only(ports.assign([make_camera("probe")]), "probe").stream_port
    ports.assign([])
    found = ports.assign([make_camera("automatic"), make_camera("fixed", output={"port": first})])
    assert only(found, "fixed").stream_port == first
    assert only(found, "automatic").stream_port != first


def test_second_object_with_the_same_fixed_port_is_told_who_has_it(ports: Ports) -> None:
    port = free_port()
    found = ports.assign([make_camera("a", output={"port": port}), make_pipeline("b", output={"port": port})])
    assert only(found, "a").stream_port == port
    error = found[Key("Pipeline", "default", "b")]
    assert isinstance(error, SpecError)
    assert str(error) == f"pipeline/b asks for port {port} (output.port), which camera/a has; choose another port for one of them"


def test_port_is_free_for_the_next_when_its_owner_is_gone(ports: Ports) -> None:
    port = free_port()
    ports.assign([make_camera("a", output={"port": port})])
    assert only(ports.assign([make_camera("b", output={"port": port})]), "b").stream_port == port


def test_edited_fixed_port_moves_the_object(ports: Ports) -> None:
    ports.assign([make_camera("a")])
    port = free_port()
    assert only(ports.assign([make_camera("a", output={"port": port})]), "a").stream_port == port
    assert only(ports.assign([make_camera("a")]), "a").stream_port == port


def test_worker_can_listen_on_its_port_and_other_programs_cannot(ports: Ports) -> None:
    endpoint = only(ports.assign([make_camera()]), "gun")
    with zmq.Context() as context, context.socket(zmq.PUB) as stream:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", endpoint.stream_port))
        stream.bind(endpoint.listen)


def test_two_supervisors_never_give_the_same_port(ports: Ports) -> None:
    mine = only(ports.assign([make_camera()]), "gun")
    with closing(Ports("127.0.0.1")) as others:
        theirs = only(others.assign([make_camera()]), "gun")
    assert {mine.stream_port, mine.http_port}.isdisjoint({theirs.stream_port, theirs.http_port})


def test_next_run_has_the_same_ports_although_the_kernel_remembers_connections() -> None:
    with closing(Ports("127.0.0.1")) as ports:
        first = only(ports.assign([make_camera()]), "gun")
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", first.stream_port))
            server.listen()
            client = socket.create_connection(("127.0.0.1", first.stream_port))
            accepted, _ = server.accept()
            # The end that closes first is remembered.
            accepted.close()
            client.close()
    with closing(Ports("127.0.0.1")) as ports:
        assert only(ports.assign([make_camera()]), "gun") == first


def test_port_that_somebody_listens_on_is_passed_by(ports: Ports) -> None:
    port = only(ports.assign([make_camera()]), "gun").stream_port
    ports.assign([])
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        assert only(ports.assign([make_camera()]), "gun").stream_port != port


def test_ports_are_reserved_until_the_end() -> None:
    with closing(Ports("127.0.0.1")) as ports:
        port = only(ports.assign([make_camera()]), "gun").stream_port
        with pytest.raises(OSError, match="in use"):
            Reservation("127.0.0.1", port)
    Reservation("127.0.0.1", port).close()


def test_host_that_is_not_of_this_machine_is_refused_in_words() -> None:
    with pytest.raises(CamstreamError, match=r"cannot listen on host '192\.0\.2\.1'.*0\.0\.0\.0 for all"):
        Ports("192.0.2.1")


def test_stream_for_everybody_has_the_name_of_this_machine() -> None:
    endpoint = Endpoint("0.0.0.0", 12000, 13000)
    assert endpoint.public == f"tcp://{socket.gethostname()}:12000"
    assert endpoint.local == "tcp://127.0.0.1:12000"


def test_ports_of_a_worker_that_is_still_ending_are_given_to_nobody(ports: Ports) -> None:
    before = only(ports.assign([make_camera("a")]), "a")
    ending = {Key.of(make_camera("a"))}
    during = only(ports.assign([make_camera("b")], ending), "b")
    assert {during.stream_port, during.http_port}.isdisjoint({before.stream_port, before.http_port})
    assert only(ports.assign([make_camera("c")]), "c") == before
