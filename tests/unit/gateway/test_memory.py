"""One budget for all that grows with what people look at and send."""

from dataclasses import dataclass

import pytest

from camstream_gateway.memory import FRAME, UPLOAD, Memory, NoRoom, Shelf


@dataclass(eq=False)
class Thing:
    nbytes: int = 100


@pytest.fixture
def memory() -> Memory:
    return Memory(2000)


def test_half_of_the_limit_is_counted_here(memory: Memory) -> None:
    assert memory.most == 1000


def test_thing_that_several_have_is_counted_once_until_nobody_has_it(memory: Memory) -> None:
    ring: Shelf[Thing] = Shelf(memory)
    for _ in range(3):
        assert ring.add(Thing())
    paused = Shelf(memory, ring)
    assert memory.used == 300
    ring.close()
    assert (memory.used, len(paused)) == (300, 3)
    paused.close()
    assert memory.used == 0


def test_upload_takes_room_of_what_is_kept_for_stepping_back_the_oldest_of_the_largest_first(memory: Memory) -> None:
    many, few = Shelf(memory, [Thing() for _ in range(6)]), Shelf(memory, [Thing() for _ in range(3)])
    newest = many[-1]
    with memory.lent(UPLOAD, "this") as loan:
        loan.more(500)
        assert memory.used <= memory.most
        assert (len(many), len(few)) in ((2, 3), (3, 2))
        assert many[-1] is newest
    assert memory.used == 500


def test_last_of_each_is_kept_and_what_finds_no_room_is_counted_and_told(memory: Memory) -> None:
    shelves = [Shelf(memory, [Thing(400), Thing(400)]) for _ in range(2)]
    with memory.lent(UPLOAD, "to read this") as loan, pytest.raises(NoRoom, match="; try again soon"):
        loan.more(300)
    assert [len(shelf) for shelf in shelves] == [1, 1]
    assert (memory.refused[UPLOAD], memory.used) == (1, 800)
    assert not shelves[0].add(Thing(300))
    assert memory.refused[FRAME] >= 1


def test_what_never_fits_says_so_and_takes_nothing_away(memory: Memory) -> None:
    shelf = Shelf(memory, [Thing() for _ in range(5)])
    with memory.lent(UPLOAD, "this") as loan, pytest.raises(NoRoom, match="make it smaller, or raise the gateway's limit of memory"):
        loan.more(1001)
    assert len(shelf) == 5
