"""Numbers that the worker keeps about itself.

Each number is written by one thread only and read by many, so none of them needs a lock.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HOPS: Final[Mapping[str, tuple[str, ...]]] = {
    "source": (
        "truncated",
        "foreign",
        "malformed",
        "no_image",
        "no_axis",
        "axis_length",
        "pulse_id_not_in_timestamp",
        "old_pulse_id",
        "old_timestamp",
        "overrun",
        "short_waveform",
        "no_size",
        "late",
        "input_waited_too_long",
        "merged_waited_too_long",
        "input_without_partner",
        "merged_without_partner",
    ),
    "input": ("queue_full",),
    "selection": (
        "paused",
        "before_range",
        "downsampling",
        "max_frame_rate",
        "pulse_id_not_in_timestamp",
        "old_pulse_id",
        "old_timestamp",
    ),
    "output": ("slow_client", "no_room", "receiver_gone", "stopped", "file_complete", "disk_full", "write_failed"),
}
"""Where a frame can be lost, in the order of its way, and every reason there."""

APPLIED, REJECTED = APPLIES = ("applied", "rejected")

FITS: Final[Mapping[str, str]] = {fit: f"{fit}_fit_converged" for fit in ("x", "y", "gr_x", "gr_y")}
"""The fits that are counted, and the channel that says how each went."""


@dataclass(slots=True)
class Counters:
    """Frames and bytes since the worker started."""

    received: int = 0
    processed: int = 0
    sent: int = 0
    failed: int = 0
    """Frames that could not be processed."""
    script_errors: int = 0
    """Of these, frames at which the user's script failed."""
    pulse_id_gaps: int = 0
    """Frames that never came, as the pulse ids of the others tell."""
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
    """Messages that were not sent, by reason; once for each client that missed it."""

    config_applies: Counter[str] = field(default_factory=Counter)
    """Configurations that came while the worker ran, by what became of them: one of :data:`APPLIES`."""
    fit_failures: Counter[str] = field(default_factory=Counter)
    """Messages with a fit that did not converge, by fit."""

    def count_fits(self, values: Mapping[str, Any]) -> None:
        """Count the fits of one message that did not converge. Where there is no beam to fit, none has failed."""
        for fit, channel in FITS.items():
            if values.get(channel) is False:
                self.fit_failures[fit] += 1

    def drops(self) -> dict[str, int]:
        """All drops, keyed ``hop/reason``."""
        hops = {
            "source": self.source_drops,
            "input": self.input_drops,
            "selection": self.selection_drops,
            "output": self.output_drops,
        }
        return {f"{hop}/{reason}": n for hop, reasons in hops.items() for reason, n in sorted(reasons.copy().items())}
