"""How much of an image one viewer's link can carry, found out from how long frames take.

Pure: it is told the times.
"""

from dataclasses import dataclass
from typing import Final

from camstream_gateway.encoding import Transfer

LADDER: Final = (Transfer(), Transfer(compressed=True), *(Transfer(True, n) for n in (2, 4, 8)))
"""From exact and fast to encode, over exact and smaller, to ever coarser."""

SLOW_S: Final = 0.3
"""A frame that takes longer on its way is too large for the link: fewer than three per second would arrive."""
FAST_S: Final = 0.08
"""A larger form is tried when it would take less than this."""

STEADY: Final = 5
"""Frames in a row that must agree before anything changes."""

WORTH_BYTES: Final = 32768
"""A smaller message is slow for other reasons than its size."""

_GROWTH: Final = 4.5
"""How much larger a message may be one step up, at worst: four times the pixels, and compressed a little worse."""


@dataclass(slots=True)
class Link:
    """The link of one viewer."""

    rung: int = 0
    """Place on the ladder."""
    _slow: int = 0
    _fast: int = 0

    @property
    def transfer(self) -> Transfer:
        return LADDER[self.rung]

    def delivered(self, nbytes: int, seconds: float) -> None:
        """Take note of one frame that arrived.

        :param nbytes: of its message
        :param seconds: on its way, without the time that the browser took to show it
        """
        self._slow = self._slow + 1 if seconds > SLOW_S and nbytes > WORTH_BYTES else 0
        self._fast = self._fast + 1 if seconds * _GROWTH < FAST_S else 0
        if self._slow >= STEADY and self.rung < len(LADDER) - 1:
            self.rung, self._slow = self.rung + 1, 0
        elif self._fast >= STEADY * (1 + self.rung) and self.rung > 0:
            self.rung, self._fast = self.rung - 1, 0
