"""The other end of a bsread stream: messages written by hand, and psi-bsread over loopback."""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import bsread
import zmq

TIMEOUT_MS = 5000
SEC, NS = 1_700_000_000, 123_456_789
STAMP = struct.pack("<qq", SEC, NS)


def multipart(channels: Sequence[object], *parts: bytes, **main: object) -> list[bytes]:
    """Write a message by hand: entries of the data header, the parts after it, changes to the main header."""
    data_header = json.dumps({"htype": "bsr_d-1.1", "channels": channels}).encode()
    return with_header(data_header, *parts, **main)


def with_header(data_header: bytes, *parts: bytes, **main: object) -> list[bytes]:
    """Write a message by hand around a data header as it is sent; a change to None leaves the field out."""
    header: dict[str, object] = {
        "htype": "bsr_m-1.1",
        "hash": hashlib.md5(data_header).hexdigest(),
        "pulse_id": 17,
        "global_timestamp": {"sec": SEC, "ns": NS},
    }
    kept = {key: value for key, value in (header | main).items() if value is not None}
    return [json.dumps(kept).encode(), data_header, *parts]


@contextmanager
def psi_sender(**options: Any) -> Iterator[tuple[bsread.Sender, "zmq.Socket[bytes]"]]:
    """Give psi-bsread's sender, and a plain socket that receives from it."""
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.rcvtimeo = TIMEOUT_MS
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        sender = bsread.Sender(address="tcp://127.0.0.1", port=port, conn_type="connect", send_timeout=TIMEOUT_MS, **options)
        sender.open()
        try:
            yield sender, socket
        finally:
            sender.close()


@contextmanager
def psi_reader() -> Iterator[tuple["zmq.Socket[bytes]", bsread.Source]]:
    """Give a plain socket, and psi-bsread's reader that receives from it."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.sndtimeo = TIMEOUT_MS
        socket.linger = 0
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        with bsread.Source(host="127.0.0.1", port=port, mode=bsread.PULL, receive_timeout=TIMEOUT_MS) as reader:
            yield socket, reader


def values_of(message: Any) -> Mapping[str, Any]:
    """Return the values that psi-bsread's reader made of a message."""
    assert message is not None, "psi-bsread read nothing"
    return {name: channel.value for name, channel in message.data.data.items()}
