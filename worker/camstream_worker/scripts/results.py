"""What a user's function may give."""

import math
import operator
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from camstream.errors import MalformedMessage, ScriptError
from camstream.frame import Timestamp
from camstream.wire.channel import CODES, describe, is_name
from camstream_worker.scripts.blame import one_line

Channels = Mapping[str, Any]

_NUMBERS: Final = frozenset({float, bool, np.bool_, *(np.dtype(name).type for name in CODES)})
_TYPES: Final = frozenset(np.dtype(code).char for code in "?bBhHiIlLqQfd")
_LEAST, _MOST = -(2**63), 2**63 - 1


class CustomMessage(NamedTuple):
    """One message of a function that makes its own."""

    channels: Channels
    timestamp: Timestamp
    pulse_id: int
    size: int
    """What it counts as in the statistics [byte]."""


def checked_channels(result: object, who: str) -> Channels | None:
    """A result that can be sent, or None where nothing is to be sent.

    :param who: begins the message
    :raises ScriptError: if it is anything else
    """
    if result is None:
        return None
    if not isinstance(result, Mapping):
        raise ScriptError(f"{who} gave {_described(result)}; expected a dict of channel names and values, or None to send nothing")
    for name, value in result.items():
        kind = type(value)
        if type(name) is not str or not name.isascii():
            _check(name, value, who)
        elif kind is np.ndarray:
            if value.dtype.char not in _TYPES:
                _check(name, value, who)
        elif kind is int:
            if not _LEAST <= value <= _MOST:
                _check(name, value, who)
        elif value is not None and kind not in _NUMBERS and not (kind is str and value.isascii()):
            _check(name, value, who)
    return result


def checked_message(result: object, who: str) -> CustomMessage | None:
    """The four things that a function of a Custom pipeline gives.

    :raises ScriptError: if they are anything else
    """
    if result is None:
        return None
    if not isinstance(result, (tuple, list)) or len(result) != 4:
        raise ScriptError(f"{who} gave {_described(result)}; expected (data, timestamp, pulse_id, size), or None to send nothing")
    data, timestamp, pulse_id, size = result
    channels = checked_channels(data, who)
    if channels is None:
        return None
    return CustomMessage(channels, _timestamp(timestamp, who), _whole(pulse_id, "a pulse_id", who), _whole(size, "a size [byte]", who))


def _check(name: object, value: object, who: str) -> None:
    """Ask the encoder's own rules about what is not seen at once to be good."""
    if not is_name(name):
        raise ScriptError(f"{who} gave a channel whose name is {_described(name)}; expected a text")
    try:
        describe(name, value)
        if isinstance(value, str):
            value.encode()
    except MalformedMessage as error:
        raise ScriptError(f"{who} gave what cannot be sent: {error}") from error
    except UnicodeEncodeError as error:
        raise ScriptError(f"{who} gave channel {name!r} a text that is not Unicode: {error}; write it with errors='replace'") from error


def _timestamp(value: object, who: str) -> Timestamp:
    if isinstance(value, (float, int, np.floating, np.integer)) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return Timestamp.from_seconds(float(value))
    if isinstance(value, (tuple, list)) and len(value) == 2:
        seconds, nanoseconds = (_whole(part, "a timestamp", who) for part in value)
        if nanoseconds < 10**9:
            return Timestamp(seconds, nanoseconds)
    raise ScriptError(f"{who} gave {_described(value)} as a timestamp; expected seconds since 1970, or (seconds, nanoseconds)")


def _whole(value: Any, what: str, who: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = int(value) if isinstance(value, float) and math.isfinite(value) and value == int(value) else -1
    if isinstance(value, bool) or not 0 <= number <= _MOST:
        raise ScriptError(f"{who} gave {_described(value)} as {what}; expected a whole number from 0 to 2^63 - 1")
    return number


def _described(value: object) -> str:
    """Class and beginning of a value, whatever it is."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    try:
        return f"a {kind} ({one_line(repr(value))[:80]})"
    except Exception:  # noqa: BLE001 - a user's class may raise anything when asked how it looks
        return f"a {kind}"
