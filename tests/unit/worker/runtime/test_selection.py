"""Which frames are processed and which results are sent."""

import pytest

from camstream.frame import Timestamp
from camstream.spec.pipeline import PulseIdRange, Selection
from camstream_worker.runtime.selection import EndReached, RateLimit, ResultFilter, Selector


def accepted(selection: Selection, pulses: range, period: float = 0.1) -> list[int]:
    selector = Selector()
    return [p for i, p in enumerate(pulses) if selector.refusal(selection, p, i * period) is None]


def test_without_wishes_every_frame_is_processed():
    assert accepted(Selection(), range(5)) == [0, 1, 2, 3, 4]


def test_a_paused_pipeline_processes_nothing():
    assert Selector().refusal(Selection(pause=True), 1, 0) == "paused"


def test_downsampling_keeps_one_in_n_and_starts_with_the_first():
    assert accepted(Selection(downsampling=3), range(8)) == [0, 3, 6]


def test_three_hertz_of_ten_is_three_hertz():
    # cam_server gives 2.5: it waits from the last frame that passed instead of from when it was due.
    assert len(accepted(Selection(max_frame_rate=3), range(100))) == 30


def test_a_rate_limit_does_not_make_up_for_silence():
    limit = RateLimit()
    assert [limit.accepts(1, t) for t in (0, 100, 100.1, 100.2, 101)] == [True, True, False, False, True]


def test_pulses_before_the_range_are_skipped_and_the_first_behind_it_ends():
    selection = Selection(pulse_ids=PulseIdRange(first=3, last=5))
    selector = Selector()
    assert [selector.refusal(selection, p, 0) for p in range(1, 6)] == ["before_range", "before_range", None, None, None]
    with pytest.raises(EndReached, match="pulse 6 is behind the last one asked for, 5"):
        selector.refusal(selection, 6, 0)


def test_a_range_that_starts_at_zero_processes_nothing_yet():
    assert accepted(Selection(pulse_ids=PulseIdRange(first=0)), range(5)) == []


def test_records_end_the_stream():
    results = ResultFilter()
    results.sent(Selection(records=2))
    with pytest.raises(EndReached, match="all 2 records"):
        results.sent(Selection(records=2))


@pytest.mark.parametrize(
    ("selection", "second", "reason"),
    [
        (Selection(), (5, Timestamp(1, 0)), None),
        (Selection(require_increasing_pulse_id=True), (5, Timestamp(2, 0)), "old_pulse_id"),
        (Selection(require_increasing_pulse_id=True), (6, Timestamp(1, 0)), None),
        (Selection(require_increasing_timestamp=True), (6, Timestamp(1, 5)), "old_timestamp"),
        (Selection(require_increasing_timestamp=True), (6, Timestamp(1, 6)), None),
        (Selection(require_pulse_id_in_timestamp=True), (6, Timestamp(1, 7)), "pulse_id_not_in_timestamp"),
        (Selection(require_pulse_id_in_timestamp=True), (3_000_006, Timestamp(1, 6)), None),
    ],
)
def test_results_are_checked_as_asked(selection: Selection, second: tuple[int, Timestamp], reason: str | None):
    results = ResultFilter()
    assert results.refusal(selection, 5, Timestamp(1, 5)) is None
    assert results.refusal(selection, *second) == reason
