"""The last frames of a stream."""

import asyncio
from typing import Any

from camstream.frame import Timestamp
from camstream.wire import Decoder, Encoder, Message
from camstream_gateway.hub import FrameRing, Hub, StreamFrame


def message(pulse_id: int = 1, **values: Any) -> Message:
    return Decoder().decode([bytes(part) for part in Encoder().encode(values, pulse_id, Timestamp(100, 0))])


def test_ring_keeps_the_newest_frames_that_fit() -> None:
    ring = FrameRing(most_bytes=100)
    for seq in range(1, 8):
        ring.add(StreamFrame(seq, message(), None, 30, 0.0))
    assert [frame.seq for frame in ring] == [5, 6, 7]
    assert ring.nbytes == 90


def test_ring_keeps_one_frame_however_large() -> None:
    ring = FrameRing(most_bytes=10)
    for seq in (1, 2):
        ring.add(StreamFrame(seq, message(), None, 30, 0.0))
    assert [frame.seq for frame in ring] == [2]


def test_hub_counts_frames_and_wakes_who_looks() -> None:
    hub, news = Hub(), asyncio.Event()
    hub.listeners.add(news)
    hub.publish(message(7), None, 10, 1000.0)
    assert news.is_set()
    assert hub.newest is not None
    assert (hub.newest.seq, hub.newest.message.pulse_id, hub.newest.age_s) == (1, 7, 900.0)


def test_rate_is_that_of_the_last_seconds() -> None:
    hub = Hub()
    for i in range(100):
        hub.publish(message(i), None, 10, i / 10)
    assert 9.0 < hub.rate_hz(9.9) < 11.0
    assert hub.rate_hz(12.4) < 6.0
    assert hub.rate_hz(30.0) == 0.0
