"""The queue between two threads."""

import threading

import pytest

from camstream_worker.runtime.ring import Ring


def ring(capacity: int = 3, max_bytes: int = 1000, *, newest_first: bool) -> Ring[int]:
    return Ring(capacity, max_bytes, newest_first=newest_first)


@pytest.mark.parametrize("newest_first", [True, False])
def test_items_come_in_order_while_there_is_room(newest_first: bool):
    items = ring(newest_first=newest_first)
    for i in range(3):
        assert items.put(i, 1, 0) == 0
    assert [items.get(0) for _ in range(4)] == [0, 1, 2, None]


def test_a_full_newest_first_ring_forgets_what_waits_and_counts_it():
    items = ring(3, newest_first=True)
    assert [items.put(i, 1, 0) for i in range(5)] == [0, 0, 0, 3, 0]
    assert [items.get(0) for _ in range(3)] == [3, 4, None]


def test_a_full_ring_makes_the_producer_wait_and_loses_nothing():
    items = ring(2, newest_first=False)
    items.put(0, 1, 0)
    items.put(1, 1, 0)
    assert items.put(2, 1, 0.01) is None
    taken: list[int | None] = []
    consumer = threading.Thread(target=lambda: taken.append(items.get(5)))
    consumer.start()
    assert items.put(2, 1, 5) == 0
    consumer.join()
    assert taken == [0]
    assert [items.get(0), items.get(0)] == [1, 2]


@pytest.mark.parametrize("newest_first", [True, False])
def test_bytes_bound_the_ring_too(newest_first: bool):
    items = ring(10, 100, newest_first=newest_first)
    items.put(0, 60, 0)
    second = items.put(1, 60, 0)
    assert second == (1 if newest_first else None)
    assert items.statistics().depth == 1
    assert items.statistics().bytes == 60


def test_there_is_always_room_for_one_however_large():
    items = ring(10, 100, newest_first=False)
    assert items.put(0, 10_000, 0) == 0


def test_closing_wakes_a_waiting_consumer_and_keeps_what_is_inside():
    items = ring(newest_first=False)
    items.put(7, 1, 0)
    items.close()
    assert not items.finished
    assert items.get(60) == 7
    assert items.get(60) is None
    assert items.finished


def test_closing_wakes_a_waiting_producer():
    items = ring(1, newest_first=False)
    items.put(0, 1, 0)
    results: list[int | None] = []
    producer = threading.Thread(target=lambda: results.append(items.put(1, 1, 60)))
    producer.start()
    items.close()
    producer.join(5)
    assert results == [0]


def test_the_peak_depth_is_remembered():
    items = ring(newest_first=False)
    for i in range(3):
        items.put(i, 1, 0)
    for _ in range(3):
        items.get(0)
    assert (items.statistics().depth, items.statistics().peak_depth) == (0, 3)
