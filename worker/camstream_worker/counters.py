"""Numbers that the worker keeps about itself.

Each number is written by one thread only and read by many, so none of them needs a lock.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Frames and bytes since the worker started."""

    received: int = 0
    processed: int = 0
    sent: int = 0
    failed: int = 0
    """Frames that could not be processed."""
    bytes_received: int = 0
    bytes_sent: int = 0
    reconnects: int = 0
    """Times that a source or input was opened again."""
    header_changes: int = 0
    source_drops: Counter[str] = field(default_factory=Counter)
    """Frames that the source itself refused, by reason."""
    input_drops: Counter[str] = field(default_factory=Counter)
    """Frames lost between source and processing, by reason."""
    selection_drops: Counter[str] = field(default_factory=Counter)
    """Frames that the user did not want, by reason."""
    output_drops: Counter[str] = field(default_factory=Counter)
    """Messages that at least one client did not get, by reason."""

    def drops(self) -> dict[str, int]:
        """All drops, keyed ``hop/reason``."""
        hops = {
            "source": self.source_drops,
            "input": self.input_drops,
            "selection": self.selection_drops,
            "output": self.output_drops,
        }
        return {f"{hop}/{reason}": n for hop, reasons in hops.items() for reason, n in sorted(reasons.copy().items())}
