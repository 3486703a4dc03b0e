"""The last frames of a stream."""

import asyncio
from typing import Any

from camstream.frame import Timestamp
from camstream.wire import Decoder, Encoder, Message
from camstream_gateway.hub import QUEUE_SIZE, FrameRing, Hub, StreamFrame
from camstream_gateway.memory import Memory


def message(pulse_id: int = 1, **values: Any) -> Message:
    return Decoder().decode([bytes(part) for part in Encoder().encode(values, pulse_id, Timestamp(100, 0))])


def test_ring_keeps_the_newest_frames_that_fit() -> None:
    ring = FrameRing(Memory(), most_bytes=100)
    for seq in range(1, 8):
        ring.add(StreamFrame(seq, message(), None, 30, 0.0))
    assert [frame.seq for frame in ring] == [5, 6, 7]
    assert ring.nbytes == 90


def test_ring_keeps_one_frame_however_large() -> None:
    ring = FrameRing(Memory(), most_bytes=10)
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


def test_all_hubs_together_keep_no_more_than_memory_allows_and_the_largest_gives_way() -> None:
    memory = Memory(2000)
    large, small = Hub(memory), Hub(memory)
    for i in range(20):
        large.publish(message(i), None, 100, i)
        assert memory.used <= memory.most == 1000
    assert len(large.ring) == 8
    for i in range(20):
        small.publish(message(i), None, 50, i)
        assert memory.used <= memory.most
    assert (large.ring.nbytes, small.ring.nbytes) in ((300, 400), (400, 300), (350, 350))
    small.close()
    large.close()
    assert memory.used == 0


def test_frame_for_which_there_is_no_room_is_counted_told_and_not_shown() -> None:
    memory = Memory(2000)
    hub, other = Hub(memory), Hub(memory)
    hub.publish(message(1), None, 300, 1.0)
    assert (hub.received, hub.no_room) == (1, "")
    other.publish(message(1), None, 300, 1.0)
    assert other.newest is None
    assert other.no_room == "no room for a frame of 0.0 MiB: all who look and upload share 0 MiB; close other views"
    assert memory.refused["frame"] == 1
    hub.close()
    other.publish(message(2), None, 300, 2.0)
    assert (other.received, other.no_room) == (1, "")
    assert memory.used == 300 * (1 + QUEUE_SIZE)
