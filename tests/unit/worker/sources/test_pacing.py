"""Steady times."""

import time

from camstream_worker.sources.pacing import Pacer


def test_without_a_rate_nobody_waits():
    pacer = Pacer(None)
    assert all(pacer.wait(0) for _ in range(1000))
    assert pacer.late() == 0


def test_a_frame_that_is_not_due_in_time_is_not_counted():
    pacer = Pacer(0.001)
    assert pacer.wait(0)
    assert not pacer.wait(0)
    assert not pacer.wait(0)


def test_frames_are_due_a_period_apart():
    pacer = Pacer(1000)
    start = time.monotonic()
    for _ in range(21):
        assert pacer.wait(5)
    assert time.monotonic() - start >= 0.02


def test_time_that_has_passed_is_skipped_and_told():
    pacer = Pacer(1000)
    assert pacer.wait(1)
    deadline = time.monotonic() + 0.01
    while time.monotonic() < deadline:
        pass
    assert pacer.late() >= 9
    assert pacer.late() <= 1
