"""What is sent of what was made. Without the numeric libraries: every worker has it."""

from collections.abc import Mapping
from typing import Any

from camstream import names
from camstream.spec.pipeline import Selection

Channels = dict[str, Any]


def with_parameters(made: Mapping[str, Any], parameters: str) -> Channels:
    """What a script made, and how: with the configuration and the hash of the script, unless it tells about itself."""
    return {**made, names.PROCESSING_PARAMETERS: made.get(names.PROCESSING_PARAMETERS, parameters)}


def is_sent(name: str, selection: Selection) -> bool:
    """Whether a channel is in the messages."""
    return name not in selection.exclude and (not selection.include or name in selection.include)


def select(channels: Channels, selection: Selection) -> Channels:
    """Only the included channels in their order (None where there is no such channel), without the excluded ones."""
    if selection.include:
        channels = {name: channels.get(name) for name in selection.include}
    return {name: value for name, value in channels.items() if name not in selection.exclude} if selection.exclude else channels
