"""Our sockets against ZeroMQ's own, and against who is none."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from ports import free_port
from waiting import wait_for

from camstream.wire.zmtp import GREETING, JOINED_BELOW, READ_AHEAD, SocketType, command, ready
from camstream_worker.sockets import AddressInUse, ReceivingSocket, SendingSocket, links

LENGTHS = (0, 1, 255, 256, READ_AHEAD - 9, READ_AHEAD - 8, READ_AHEAD, JOINED_BELOW - 1, JOINED_BELOW, 3_000_001)
MESSAGE = [os.urandom(length) for length in LENGTHS]


@pytest.fixture
def address() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


Make = Callable[[int], "zmq.Socket[Any]"]


@pytest.fixture
def zeromq() -> Iterator[Make]:
    """Makes sockets of ZeroMQ itself, and closes them."""
    context = zmq.Context()
    made: list[zmq.Socket[Any]] = []

    def make(kind: int) -> "zmq.Socket[Any]":
        made.append(context.socket(kind))
        return made[-1]

    yield make
    for one in made:
        one.close(0)
    context.term()


@contextmanager
def sending(kind: SocketType, address: str, most_messages: int = 1000, *, listening: bool = True) -> Iterator[SendingSocket]:
    """A socket with the thread that attends to it."""
    found = SendingSocket(kind, address, most_messages=most_messages, most_bytes=2**30, listening=listening)

    def attend() -> None:
        while not found.closed:
            found.attend(0.1)

    thread = threading.Thread(target=attend)
    thread.start()
    try:
        yield found
    finally:
        found.close()
        thread.join()


@contextmanager
def receiving(kind: SocketType, address: str, *, listening: bool = False) -> Iterator[Callable[[], list[bytes]]]:
    found = ReceivingSocket(kind, address, listening=listening)

    def message() -> list[bytes]:
        return [bytes(part) for part in wait_for("a message", lambda: found.receive(0.1))]

    try:
        yield message
    finally:
        found.close()


def wanted(s: SendingSocket, first: bytes = b"") -> None:
    """Wait until somebody subscribes to messages that begin so."""
    wait_for("a subscription", lambda: any(link.wants(first) for link in s._partners))


# ---------------------------------------------------------------------- both sides, of both makes


@pytest.mark.parametrize(("ours", "theirs"), [(SocketType.PUB, zmq.SUB), (SocketType.PUSH, zmq.PULL)])
@pytest.mark.parametrize("listening", [True, False])
@pytest.mark.parametrize("scheme", ["tcp", "ipc"])
def test_what_we_send_arrives_at_a_zeromq_socket(
    zeromq: Make, address: str, tmp_path: Path, ours: SocketType, theirs: int, listening: bool, scheme: str
):
    address = address if scheme == "tcp" else f"ipc://{tmp_path}/socket"
    reader = zeromq(theirs)
    if theirs == zmq.SUB:
        reader.subscribe(b"")
    if not listening:
        reader.bind(address)
    with sending(ours, address, listening=listening) as s:
        if listening:
            reader.connect(s.address)
        if ours is SocketType.PUB:
            # ZeroMQ asks for messages only when its user looks at the socket.
            wait_for("a subscription", lambda: not reader.poll(1) and any(link.wants(b"") for link in s._partners))
            assert s.publish(MESSAGE) == 0
            assert s.publish([b"next"]) == 0
        else:
            assert s.push(MESSAGE, 10)
            assert s.push([b"next"], 10)
        assert reader.poll(10_000)
        assert reader.recv_multipart() == MESSAGE
        assert reader.recv_multipart() == [b"next"]
        assert s.clients == 1
        reader.close()
        wait_for("the reader is gone", lambda: s.clients == 0)


@pytest.mark.parametrize(("ours", "theirs"), [(SocketType.SUB, zmq.PUB), (SocketType.SUB, zmq.XPUB), (SocketType.PULL, zmq.PUSH)])
@pytest.mark.parametrize("scheme", ["tcp", "ipc"])
def test_what_a_zeromq_socket_sends_arrives_here(zeromq: Make, address: str, tmp_path: Path, ours: SocketType, theirs: int, scheme: str):
    address = address if scheme == "tcp" else f"ipc://{tmp_path}/socket"
    sender = zeromq(theirs)
    sender.bind(address)
    with receiving(ours, address) as message:
        done = threading.Event()

        def send() -> None:
            while not done.wait(0.05):
                sender.send_multipart(MESSAGE)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            for _ in range(3):
                assert message() == MESSAGE
        finally:
            done.set()
            thread.join()


def test_both_sides_are_ours(address: str):
    with sending(SocketType.PUB, address) as s, receiving(SocketType.SUB, address) as message:
        sent = threading.Thread(target=lambda: (wanted(s), s.publish(MESSAGE)))
        sent.start()
        assert message() == MESSAGE
        sent.join()


def test_all_who_push_take_turns(zeromq: Make, address: str):
    senders = [zeromq(zmq.PUSH) for _ in range(3)]
    with receiving(SocketType.PULL, address, listening=True) as message:
        for number, sender in enumerate(senders):
            sender.connect(address)
            for _ in range(10):
                sender.send(b"%d" % number)
        found = [message()[0] for _ in range(30)]
    assert sorted(found) == [b"0"] * 10 + [b"1"] * 10 + [b"2"] * 10


def test_a_subscriber_gets_what_begins_as_it_wants(zeromq: Make, address: str):
    with sending(SocketType.PUB, address) as s:
        reader = zeromq(zmq.SUB)
        reader.subscribe(b"a")
        reader.subscribe(b"bc")
        reader.connect(address)
        wanted(s, b"bc")
        for first in (b"ax", b"b", b"bcd", b"", b"c"):
            s.publish([first, b"rest"])
        assert [reader.recv_multipart()[0] for _ in range(2)] == [b"ax", b"bcd"]
        reader.unsubscribe(b"a")
        wait_for("it is taken back", lambda: not s._partners[0].wants(b"ax"))
        s.publish([b"ay"])
        s.publish([b"bcz"])
        assert reader.recv_multipart() == [b"bcz"]


def test_a_receiver_finds_a_publisher_that_comes_later_and_one_that_comes_again(zeromq: Make, address: str):
    with receiving(SocketType.SUB, address) as message:
        for turn in range(3):
            with sending(SocketType.PUB, address) as s:
                done = threading.Event()

                def send(s: SendingSocket = s, turn: int = turn, done: threading.Event = done) -> None:
                    while not done.wait(0.02):
                        s.publish([b"turn %d" % turn])

                thread = threading.Thread(target=send)
                thread.start()
                try:
                    wait_for("the new one", lambda turn=turn: message() == [b"turn %d" % turn])
                finally:
                    done.set()
                    thread.join()


# ---------------------------------------------------------------------- who is no ZeroMQ socket, or breaks off


HELLO = GREETING + ready(SocketType.SUB)
STRANGERS = {
    "nothing at all": b"",
    "a browser": b"GET / HTTP/1.1\r\nHost: camera\r\n\r\n" + bytes(100),
    "half a greeting": GREETING[:30],
    "an old ZeroMQ": GREETING[:10] + b"\x01" + bytes(60),
    "a secured one": GREETING.replace(b"NULL\0", b"CURVE"),
    "another kind of socket": GREETING + ready(SocketType.PUSH),
    "a message too early": GREETING + b"\x00\x01\x01",
    "an endless command": GREETING + b"\x06" + struct.pack(">Q", 1 << 40),
    "a reader who talks": HELLO + b"\x00\x01\x01" + b"\x00\x05\x01\xff\xff\xff\xff" * 50,
    "a reader who wants everything a thousand times": HELLO + b"\x00\x01\x01" * 1001,
    "a message that fills the memory": HELLO + b"\x02" + struct.pack(">Q", 1 << 20) + bytes(100_000),
    "a huge subscription": HELLO + b"\x02" + struct.pack(">Q", 1 << 50),
}


@pytest.mark.parametrize("said", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_disturbs_nobody(zeromq: Make, address: str, said: bytes):
    with sending(SocketType.PUB, address) as s:
        reader = zeromq(zmq.SUB)
        reader.subscribe(b"")
        reader.connect(address)
        wanted(s)
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(said)
            for i in range(50):
                s.publish([b"%d" % i])
                assert reader.recv_multipart() == [b"%d" % i]
        wait_for("only the reader is left", lambda: len(s._links) == 1)
        assert s.clients == 1
        s.publish([b"after"])
        assert reader.recv_multipart() == [b"after"]


def test_half_a_message_of_a_sender_that_dies_is_no_message(zeromq: Make, address: str):
    with receiving(SocketType.PULL, address, listening=True) as message:
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as dying:
            dying.sendall(GREETING + ready(SocketType.PUSH) + b"\x01\x04half" + b"\x02" + struct.pack(">Q", 1 << 20) + bytes(1000))
        sender = zeromq(zmq.PUSH)
        sender.connect(address)
        sender.send_multipart([b"a", b"whole", b"one"])
        assert message() == [b"a", b"whole", b"one"]


def test_a_heartbeat_is_answered(address: str):
    with sending(SocketType.PUB, address):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            peer.sendall(HELLO + command(b"PING", b"\x00\x01abc"))
            expected = GREETING + ready(SocketType.PUB) + command(b"PONG", b"abc")
            found = b""
            while len(found) < len(expected):
                found += peer.recv(1000)
            assert found == expected


def test_a_reader_that_is_gone_costs_only_its_own_messages(zeromq: Make, address: str):
    with sending(SocketType.PUB, address, most_messages=2) as s:
        port = int(address.rpartition(":")[2])
        stuck = socket.create_connection(("127.0.0.1", port))
        stuck.sendall(HELLO)
        reader = zeromq(zmq.SUB)
        reader.subscribe(b"")
        reader.connect(address)
        wait_for("both", lambda: s.clients == 2)
        stuck.sendall(b"\x00\x01\x01")
        wait_for("both subscribe", lambda: all(link.wants(b"") for link in s._partners))
        lost = 0
        for _ in range(40):
            lost += s.publish([bytes(1_000_000)])
            assert reader.recv_multipart() == [bytes(1_000_000)]
        assert 0 < lost < 40
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stuck.close()  # with a reset
        wait_for("it is gone", lambda: s.clients == 1)
        assert s.publish([b"x"]) == 0


def test_an_address_that_is_taken_is_told_and_a_file_that_was_left_is_not_in_the_way(address: str, tmp_path: Path):
    for taken in (address, f"ipc://{tmp_path}/socket"):
        with sending(SocketType.PUB, taken), pytest.raises(AddressInUse, match="in use by another program"):
            SendingSocket(SocketType.PUB, taken, most_messages=1, most_bytes=1)
    left = tmp_path / "left"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(left))
    with sending(SocketType.PUB, f"ipc://{left}"):
        pass
    assert not left.exists()


def test_an_address_that_does_not_exist_is_told(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    found = ReceivingSocket(SocketType.SUB, "tcp://no-such-host.invalid:1")
    assert found.receive(0.1) is None
    found.close()
    assert "tcp://no-such-host.invalid:1: no connection" in caplog.text


def test_a_receiver_that_finds_nobody_tries_again_after_a_tenth_of_its_wait(monkeypatch: pytest.MonkeyPatch):
    now, tries = 0.0, []
    connect = links.Links._connect
    monkeypatch.setattr(links, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(links.Links, "_connect", lambda self: (tries.append(now), connect(self)))
    receiver = ReceivingSocket(SocketType.SUB, f"tcp://127.0.0.1:{free_port()}")
    for hundredth in range(3000):
        now = hundredth / 100
        receiver.attend(0)
    receiver.close()
    pauses = [after - before for before, after in pairwise(tries)]
    # It is looked every hundredth, and the answer to a try may be seen at the next look.
    assert all(0.09 < pause < max(0.1, 0.1 * at) + 0.03 for at, pause in zip(tries[1:], pauses, strict=True))
    assert all(0.9 < pause < 1.03 for at, pause in zip(tries, pauses, strict=False) if at > 12)
