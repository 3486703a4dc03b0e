"""What is lost before a worker, as pulse ids tell it."""

from camstream_worker.runtime.gaps import WINDOW, PulseGaps


def missing(*pulse_ids: int) -> list[int]:
    gaps = PulseGaps()
    return [gaps.missing(pulse_id) for pulse_id in pulse_ids]


def test_frames_that_are_missing_are_counted_in_frames_and_not_in_pulses() -> None:
    assert missing(1000, 1010, 1020, 1050, 1060) == [0, 0, 0, 2, 0]


def test_distance_that_varies_a_little_is_no_gap() -> None:
    assert missing(0, 9, 20, 30, 39, 50) == [0] * 6


def test_sender_that_repeats_or_begins_anew_has_lost_nothing() -> None:
    assert missing(1000, 1001, 1001, 5, 6, 8) == [0, 0, 0, 0, 0, 1]


def test_camera_that_becomes_slower_for_good_loses_nothing_after_a_while() -> None:
    gaps = PulseGaps()
    pulses = [*range(WINDOW), *range(WINDOW, 40 * WINDOW, 10)]
    lost = [gaps.missing(pulse_id) for pulse_id in pulses]
    assert sum(lost[:WINDOW]) == 0
    assert lost[-WINDOW:] == [0] * WINDOW


def test_after_a_restart_the_first_frame_has_no_gap() -> None:
    gaps = PulseGaps()
    for pulse_id in (1, 2, 3):
        gaps.missing(pulse_id)
    gaps.restart()
    assert [gaps.missing(pulse_id) for pulse_id in (1_000_000, 1_000_001, 1_000_003)] == [0, 0, 1]
