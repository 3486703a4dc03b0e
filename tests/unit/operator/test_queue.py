"""The order of work, with a clock that the test sets; and the queue at work in an event loop."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from clocks import Clock
from hypothesis import example, given, settings
from hypothesis import strategies as st

from camstream_operator.queue import BACKGROUND_SHARE, FIRST_RETRY_S, LAST_RETRY_S, Retry, WorkQueue


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock, chance=lambda: 1.0)


def take_all(queue: WorkQueue[str]) -> list[str]:
    """Take and finish whatever can be worked on."""
    taken = []
    while (key := queue.take()) is not None:
        taken.append(key)
        queue.done(key)
    return taken


def fail_times(queue: WorkQueue[str], clock: Clock, key: str, times: int) -> list[float]:
    """Let the work on a key fail again and again; the pauses [s]."""
    pauses = []
    queue.add(key)
    assert queue.take() == key
    for _ in range(times):
        queue.failed(key)
        since = clock.now
        while queue.take() is None:
            clock.now += 0.25
        pauses.append(clock.now - since)
    return pauses


def test_keys_are_taken_in_their_order_and_each_once(queue: WorkQueue[str]) -> None:
    for key in "abcab":
        queue.add(key)
    assert (queue.depth, queue.adds) == (3, 5)
    assert take_all(queue) == ["a", "b", "c"]
    assert queue.depth == 0


def test_urgent_keys_overtake_those_of_the_background(queue: WorkQueue[str]) -> None:
    for key in "abc":
        queue.add(key, urgent=False)
    queue.add("z")
    queue.add("c")
    assert take_all(queue) == ["z", "c", "a", "b"]


def test_key_that_is_urgent_stays_urgent(queue: WorkQueue[str]) -> None:
    queue.add("a", urgent=False)
    queue.add("b")
    queue.add("b", urgent=False)
    assert take_all(queue) == ["b", "a"]


def test_background_goes_on_while_urgent_keys_never_end(queue: WorkQueue[str]) -> None:
    queue.add("slow", urgent=False)
    queue.add("restless")
    taken = []
    for _ in range(BACKGROUND_SHARE):
        key = queue.take()
        assert key is not None
        taken.append(key)
        queue.done(key)
        queue.add("restless")
    assert taken.count("slow") == 1


def test_key_is_not_taken_twice_and_comes_again_when_it_was_added_meanwhile(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    queue.add("a")
    assert queue.take() is None
    queue.done("a")
    assert take_all(queue) == ["a"]


def test_of_several_later_times_the_earliest_counts(queue: WorkQueue[str], clock: Clock) -> None:
    for seconds in (30.0, 10.0, 20.0):
        queue.add_after("a", seconds)
    clock.now += 9.9
    assert queue.take() is None
    clock.now += 0.1
    assert take_all(queue) == ["a"]
    clock.now += 100
    assert queue.take() is None


def test_result_of_the_work_says_when_to_look_again(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.done("a", 60.0)
    clock.now += 59.9
    assert queue.take() is None
    clock.now += 0.2
    assert queue.take() == "a"


def test_pause_after_failures_grows_from_the_first_to_the_last(queue: WorkQueue[str], clock: Clock) -> None:
    pauses = fail_times(queue, clock, "a", 12)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, LAST_RETRY_S, LAST_RETRY_S, LAST_RETRY_S]
    assert queue.retries == 12


def test_pause_is_spread_but_never_under_the_first(clock: Clock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock, chance=lambda: 0.0)
    assert fail_times(queue, clock, "a", 11) == [FIRST_RETRY_S, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 150.0, 150.0]


def test_success_forgets_the_failures(queue: WorkQueue[str], clock: Clock) -> None:
    fail_times(queue, clock, "a", 6)
    queue.done("a")
    assert fail_times(queue, clock, "a", 1) == [1.0]


def test_pause_of_one_key_holds_up_no_other(queue: WorkQueue[str]) -> None:
    queue.add("poisoned")
    assert queue.take() == "poisoned"
    queue.failed("poisoned")
    queue.add("b", urgent=False)
    assert take_all(queue) == ["b"]


def test_change_of_an_object_ends_its_long_pause(queue: WorkQueue[str], clock: Clock) -> None:
    fail_times(queue, clock, "a", 10)
    queue.failed("a")
    clock.now += 1.0
    queue.add("a")
    assert queue.take() == "a"


def test_storm_of_changes_does_not_make_a_failing_key_spin(queue: WorkQueue[str], clock: Clock) -> None:
    start, times = clock.now, 0
    while clock.now < start + 10:
        queue.add("a")
        if queue.take() is not None:
            queue.add("a")
            queue.failed("a")
            times += 1
        clock.now += 0.01
    assert times == pytest.approx(10 / FIRST_RETRY_S, abs=2)


def test_wish_to_wait_is_kept_whatever_happens_meanwhile(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add_after("a", 5.0)
    queue.add("a")
    assert queue.take() == "a"
    queue.failed("a", after_s=60.0)
    queue.add("a")
    clock.now += 59.9
    assert queue.take() is None
    clock.now += 0.1
    assert queue.take() == "a"


def test_retry_of_an_urgent_key_is_urgent(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.failed("a")
    clock.now += 10
    queue.add("b", urgent=False)
    assert take_all(queue) == ["a", "b"]


def test_age_is_that_of_the_key_that_waits_longest(queue: WorkQueue[str], clock: Clock) -> None:
    assert queue.oldest_age_s == 0.0
    queue.add("a", urgent=False)
    clock.now += 3
    queue.add("b")
    queue.add("a")
    clock.now += 4
    assert queue.oldest_age_s == 7.0
    take_all(queue)
    assert queue.oldest_age_s == 0.0


def test_putting_off_again_and_again_takes_no_more_memory(queue: WorkQueue[str], clock: Clock) -> None:
    for _ in range(1000):
        queue.add_after("a", 300.0)
        queue.add_after("a", 1.0)
        clock.now += 1.0
        assert take_all(queue) == ["a"]
    assert len(queue._heap) < 20


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "background", "after", "take", "done", "failed", "wait"]), st.sampled_from("abcd"), st.floats(0, 400))
)


@given(STEPS)
@example([("add", "a", 0.0), ("after", "a", 1.0), ("take", "a", 0.0), ("done", "a", 0.0), ("wait", "a", 1.0), ("take", "a", 0.0)])
@settings(max_examples=300, deadline=None)
def test_no_key_is_lost_or_taken_twice(steps: list[tuple[str, str, float]]) -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock)
    working: set[str] = set()
    wanted: set[str] = set()
    # A wish for later stays where the key is worked on sooner, so that one key may be owed several looks.
    wishes: Counter[str] = Counter()
    for step, key, seconds in steps:
        if step in ("add", "background"):
            queue.add(key, urgent=step == "add")
            wanted.add(key)
            wishes[key] += 1
        elif step == "after":
            queue.add_after(key, seconds)
            wanted.add(key)
            wishes[key] += 1
        elif step == "take":
            taken = queue.take()
            if taken is not None:
                assert taken not in working
                assert wishes[taken] > 0
                wishes[taken] -= 1
                working.add(taken)
                wanted.discard(taken)
        elif step == "wait":
            clock.now += seconds
        elif key in working:
            working.discard(key)
            if step == "done":
                queue.done(key)
            else:
                queue.failed(key)
                wanted.add(key)
                wishes[key] += 1
    for key in working:
        queue.done(key)
    clock.now += 1000
    assert wanted <= set(take_all(queue))
    clock.now += 1000
    assert take_all(queue) == []


def work(queue: WorkQueue[str], handler: Callable[[str], Awaitable[float | None]], workers: int = 16) -> None:
    """Run the queue until the handler stops it."""
    asyncio.run(asyncio.wait_for(queue.run(handler, workers), 20))


def test_as_many_keys_are_worked_on_at_once_as_there_are_workers() -> None:
    queue: WorkQueue[str] = WorkQueue()
    at_once: list[int] = []
    active: set[str] = set()

    async def handler(key: str) -> None:
        active.add(key)
        at_once.append(len(active))
        for _ in range(10):
            await asyncio.sleep(0)
        active.discard(key)
        if len(at_once) == 20:
            queue.stop()

    for number in range(20):
        queue.add(str(number))
    work(queue, handler, workers=4)
    assert max(at_once) == 4
    assert len(at_once) == 20


def test_key_that_is_added_to_a_running_queue_is_worked_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen = []

    async def handler(key: str) -> None:
        seen.append(key)
        if key == "second":
            queue.stop()

    async def main() -> None:
        running = asyncio.create_task(queue.run(handler))
        queue.add("first")
        while not seen:
            await asyncio.sleep(0)
        queue.add_after("second", 0.01)
        await running

    asyncio.run(asyncio.wait_for(main(), 20))
    assert seen == ["first", "second"]


def test_stop_waits_for_the_work_in_hand_and_begins_no_other() -> None:
    queue: WorkQueue[str] = WorkQueue()
    finished = []

    async def handler(key: str) -> None:
        queue.stop()
        await asyncio.sleep(0.01)
        finished.append(key)

    queue.add("a")
    queue.add("b")
    work(queue, handler, workers=1)
    assert finished == ["a"]


def test_cancelled_queue_cancels_the_work_in_hand() -> None:
    queue: WorkQueue[str] = WorkQueue()
    ended = []

    async def main() -> None:
        begun = asyncio.Event()

        async def handler(key: str) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(key)

        queue.add("a")
        running = asyncio.create_task(queue.run(handler))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(main(), 20))
    assert ended == ["a"]


@pytest.mark.allow_errors
def test_unexpected_error_is_logged_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    queue: WorkQueue[str] = WorkQueue(chance=lambda: 0.0)
    seen: list[str] = []

    async def handler(key: str) -> None:
        seen.append(key)
        if key == "poisoned" and seen.count(key) < 3:
            raise KeyError("no such thing")
        if key == "poisoned":
            queue.stop()

    queue.add("poisoned")
    queue.add("healthy")
    work(queue, handler)
    assert (seen.count("healthy"), seen.count("poisoned")) == (1, 3)
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "poisoned: unexpected error" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


def test_retry_that_the_handler_asks_for_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    queue: WorkQueue[str] = WorkQueue(chance=lambda: 0.0)
    seen = []

    async def handler(key: str) -> None:
        seen.append(key)
        if len(seen) == 2:
            queue.stop()
            return
        raise Retry

    queue.add("a")
    with caplog.at_level(logging.INFO):
        work(queue, handler)
    assert (seen, queue.retries) == (["a", "a"], 1)
    assert not caplog.records
