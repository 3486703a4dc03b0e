"""ZMTP without a socket: what both sides say, however it is cut into pieces, and what is refused. The form is that of
https://rfc.zeromq.org/spec/23/; that real ZeroMQ sockets understand it is tried in tests/stream."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camstream.errors import ForeignPeer
from camstream.wire.zmtp import GREETING, JOINED_BELOW, READ_AHEAD, Incoming, SocketType, command, pieces, ready

HELLO = GREETING + ready(SocketType.PUSH)
LENGTHS = (0, 1, 255, 256, 1000, READ_AHEAD - 9, READ_AHEAD - 8, READ_AHEAD, JOINED_BELOW + 1, 3 * READ_AHEAD + 7)


def feed(incoming: Incoming, data: bytes, most: int = 1 << 30) -> None:
    """Hand over bytes as a socket would, ``most`` at a time."""
    position = 0
    while position < len(data):
        room = incoming.room()
        count = min(len(room), most, len(data) - position)
        room[:count] = data[position : position + count]
        incoming.took(count)
        position += count


def greeted(kind: SocketType = SocketType.PULL, hello: bytes = HELLO) -> Incoming:
    incoming = Incoming(kind)
    feed(incoming, hello)
    return incoming


def on_the_wire(parts: list[bytes]) -> bytes:
    return b"".join(bytes(piece) for piece in pieces(parts))


def taken(incoming: Incoming) -> list[list[bytes]]:
    found = [[bytes(part) for part in message] for message in incoming.messages]
    incoming.messages.clear()
    return found


def test_the_greeting_is_that_of_the_specification():
    assert len(GREETING) == 64
    assert GREETING[:1] + GREETING[9:10] == b"\xff\x7f"
    assert GREETING[10:12] == b"\x03\x00"
    assert GREETING[12:32] == b"NULL" + bytes(16)
    assert ready(SocketType.PUB) == b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"


@pytest.mark.parametrize("length", LENGTHS)
def test_a_part_has_a_length_of_one_byte_or_of_eight(length: int):
    head = struct.pack(">BB", 0, length) if length < 256 else struct.pack(">BQ", 2, length)
    assert on_the_wire([bytes(length)]) == head + bytes(length)
    assert on_the_wire([bytes(length), b""])[0] == head[0] | 1


def test_large_parts_are_not_copied_and_small_ones_are_sent_together():
    image = memoryview(bytes(JOINED_BELOW))
    found = pieces([b"a", b"b", image, b"c", b"d"])
    assert len(found) == 3
    assert found[1] is image
    assert found[2] == b"\x01\x01c\x00\x01d"


@pytest.mark.parametrize("most", [1, 7, 64, 1000, READ_AHEAD])
def test_messages_arrive_whole_however_they_are_cut(most: int):
    messages = [[bytes([n % 251]) * length for n, length in enumerate(LENGTHS)], [b""], [b"last"]]
    lengths = sum(map(len, messages[0]))
    incoming = Incoming(SocketType.PULL)
    feed(incoming, HELLO + b"".join(map(on_the_wire, messages)), max(most, lengths // 100_000))
    assert taken(incoming) == messages


@given(
    st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=5), max_size=5),
    st.lists(st.integers(1, 200), min_size=1, max_size=50),
)
def test_what_comes_does_not_depend_on_where_it_is_cut(messages: list[list[bytes]], cuts: list[int]):
    data = HELLO + b"".join(map(on_the_wire, messages))
    incoming, position, turn = Incoming(SocketType.PULL), 0, 0
    while position < len(data):
        feed(incoming, data[position : position + cuts[turn % len(cuts)]])
        position, turn = position + cuts[turn % len(cuts)], turn + 1
    assert taken(incoming) == messages


@given(st.binary(max_size=400))
def test_whatever_comes_is_taken_or_refused(data: bytes):
    for hello in (b"", HELLO):
        incoming = Incoming(SocketType.PULL)
        with suppress(ForeignPeer):
            feed(incoming, hello + data)


REFUSED = [
    (b"GET / HTTP/1.1\r\nHost: camera\r\n", "no ZeroMQ"),
    (b"\xff" + bytes(8) + b"\x00", "no ZeroMQ"),
    (GREETING[:10] + b"\x01", "ZMTP 1"),
    (GREETING[:10] + b"\x00", "ZMTP 0"),
    (GREETING.replace(b"NULL\0", b"CURVE"), "mechanism b'CURVE'"),
    (GREETING + ready(SocketType.PUB), "a socket of type PUB; PULL talks to PUSH only"),
    (GREETING + command(b"READY"), r"type \(none\)"),
    (GREETING + command(b"READY", b"\x0bSocket-Type\0\0"), "ends too early"),
    (GREETING + command(b"ERROR", b"\x03bad"), "refuses: b'bad'"),
    (GREETING + b"\x00\x01x", "before the handshake"),
    (GREETING + b"\x06" + struct.pack(">Q", 1 << 40), "a command of"),
    (HELLO + b"\x02" + struct.pack(">Q", 1 << 60), "more than"),
    (HELLO + b"\x01\x00" * 100_001, "100000 parts"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_who_cannot_be_talked_to_is_refused_with_words(data: bytes, words: str):
    with pytest.raises(ForeignPeer, match=words):
        feed(Incoming(SocketType.PULL), data)


def test_a_large_part_takes_no_memory_before_it_comes():
    incoming = greeted()
    feed(incoming, b"\x02" + struct.pack(">Q", 1 << 29))
    assert incoming.missing == 1 << 29


def test_the_bound_is_that_of_the_whole_message():
    incoming = Incoming(SocketType.PULL, most_bytes=1000)
    feed(incoming, HELLO + b"\x01\xf0" + bytes(240))
    with pytest.raises(ForeignPeer, match="more than 1000 bytes"):
        feed(incoming, b"\x02" + struct.pack(">Q", 761))


def test_names_of_properties_have_no_case_and_other_ones_do_no_harm():
    body = b"\x08Identity\0\0\0\x00" + b"\x0bSOCKET-type\0\0\0\x04XPUB"
    assert greeted(SocketType.SUB, GREETING + command(b"READY", body)).ready


def test_a_heartbeat_is_answered_with_what_it_brought():
    incoming = greeted()
    feed(incoming, command(b"PING", b"\x00\x0acontext"))
    assert incoming.answers == [command(b"PONG", b"context")]
    assert not incoming.messages


def test_a_subscriber_asks_for_everything_once_the_publisher_has_said_what_it_is():
    incoming = Incoming(SocketType.SUB)
    feed(incoming, GREETING)
    assert incoming.answers == []
    feed(incoming, ready(SocketType.PUB))
    assert incoming.answers == [b"\x00\x01\x01"]


def test_commands_of_later_versions_are_passed_over():
    incoming = greeted()
    feed(incoming, command(b"SUBSCRIBE", b"x") + on_the_wire([b"after"]))
    assert taken(incoming) == [[b"after"]]
