"""Plans of pipelines that are not about one image: streams, stores, and messages that a script makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from camstream.frame import Frame, Timestamp
from camstream.names import PICTURE_SUFFIX
from camstream.spec.pipeline import Selection
from camstream_worker.pipeline.processing import select

Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A message with a pulse and a time of its own."""

    values: Mapping[str, Any]
    pulse_id: int
    timestamp: Timestamp


class StreamPlan:
    """All channels, as they came or as a script makes them."""

    stateful = False

    def __init__(self, selection: Selection, call: Call | None, parameters: dict[str, Any]) -> None:
        """:param call: ``process(data, pulse_id, timestamp, parameters)``; None: channels are passed on"""
        self._selection, self._call, self._parameters = selection, call, parameters

    def prepare(self, frame: Frame) -> None:
        """Nothing is loaded late."""

    def process(self, frame: Frame) -> Mapping[str, Any] | None:
        """:raises ScriptError: if the script fails"""
        values = frame.channels
        if self._call is not None:
            values = self._call(dict(frame.channels), frame.pulse_id, tuple(frame.timestamp), self._parameters)
        return None if values is None else select(dict(values), self._selection)


class StorePlan:
    """The image as it came, under the name of its camera."""

    stateful = False

    def __init__(self, camera: str) -> None:
        self._channel = camera + PICTURE_SUFFIX

    def prepare(self, frame: Frame) -> None:
        """Nothing is loaded late."""

    def process(self, frame: Frame) -> Mapping[str, Any]:
        return {self._channel: frame.image}


class CustomPlan:
    """Messages that a script makes from nothing."""

    stateful = True

    def __init__(self, selection: Selection, call: Call, parameters: dict[str, Any], first: bool) -> None:
        """
        :param call: takes parameters and whether it is the first call; gives an object with channels, pulse_id and timestamp, or None
        :param first: whether the script has not been called yet
        """
        self._selection, self._call, self._parameters, self._first = selection, call, parameters, first

    def prepare(self, frame: Frame) -> None:
        """Nothing is loaded late."""

    def process(self, frame: Frame) -> Made | None:
        """:raises ScriptError: if the script fails"""
        del frame  # it only says when
        first, self._first = self._first, False
        made = self._call(self._parameters, first)
        if made is None:
            return None
        return Made(select(dict(made.channels), self._selection), made.pulse_id, made.timestamp)
