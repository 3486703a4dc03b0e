"""How much of an image a link can carry."""

from camstream_gateway.encoding import Transfer
from camstream_gateway.link import LADDER, STEADY, Link

FULL = 2_600_000


def deliver(link: Link, bytes_per_second: float, frames: int, latency_s: float = 0.0) -> None:
    for _ in range(frames):
        nbytes = FULL // link.transfer.binning**2 // (2 if link.transfer.compressed else 1)
        link.delivered(nbytes, nbytes / bytes_per_second + latency_s)


def test_fast_link_gets_every_pixel() -> None:
    link = Link()
    deliver(link, 100e6, 100)
    assert link.transfer == Transfer()


def test_one_slow_frame_changes_nothing() -> None:
    link = Link()
    for _ in range(10):
        deliver(link, 1e6, STEADY - 1)
        deliver(link, 100e6, 1)
    assert link.transfer == Transfer()


def test_slow_link_gets_compressed_images_before_reduced_ones() -> None:
    link = Link()
    deliver(link, 6e6, 100)
    assert link.transfer == Transfer(compressed=True)


def test_very_slow_link_gets_reduced_images() -> None:
    link = Link()
    deliver(link, 1e6, 100)
    assert link.transfer.binning > 1


def test_link_that_recovers_gets_every_pixel_again() -> None:
    link = Link()
    deliver(link, 0.2e6, 100)
    assert link.transfer.binning >= 4
    deliver(link, 200e6, 200)
    assert link.transfer == Transfer()


def test_link_settles() -> None:
    for rate in (0.1e6, 0.5e6, 1e6, 3e6, 6e6, 10e6, 30e6):
        link = Link()
        deliver(link, rate, 200)
        rung = link.rung
        deliver(link, rate, 200)
        assert link.rung == rung, f"at {rate} bytes per second"


def test_small_message_that_is_slow_for_other_reasons_is_not_reduced() -> None:
    link = Link()
    for _ in range(100):
        link.delivered(2000, 0.9)
    assert link.transfer == LADDER[0]
