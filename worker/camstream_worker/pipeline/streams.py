"""Plans of pipelines that are not about one image: streams, stores, and messages that a script makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from camstream.errors import ScriptError
from camstream.frame import Frame, Timestamp
from camstream.names import PICTURE_SUFFIX
from camstream.spec.pipeline import Selection
from camstream_worker.pipeline.channels import select, with_parameters

Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A message with a pulse and a time of its own."""

    values: Mapping[str, Any]
    pulse_id: int
    timestamp: Timestamp


class Refusal:
    """For a script that cannot be loaded: every frame fails for that reason, until it is mended."""

    stateful = False

    def __init__(self, reason: ScriptError) -> None:
        self._reason = reason

    def prepare(self, frame: Frame) -> None:
        """Nothing is loaded."""

    def process(self, frame: Frame) -> None:
        """:raises ScriptError: always"""
        del frame
        raise ScriptError(str(self._reason))


class StreamPlan:
    """All channels, as they came or as a script makes them."""

    stateful = False

    def __init__(self, selection: Selection, parameters: str, call: Call | None, own_parameters: dict[str, Any]) -> None:
        """
        :param parameters: JSON text, sent as ``processing_parameters`` with what the script makes
        :param call: ``process(data, pulse_id, timestamp, parameters)``; None: channels are passed on
        """
        self._selection, self._parameters, self._call, self._own = selection, parameters, call, own_parameters

    def prepare(self, frame: Frame) -> None:
        """Nothing is loaded late."""

    def process(self, frame: Frame) -> Mapping[str, Any] | None:
        """:raises ScriptError: if the script fails"""
        if self._call is None:
            return select(dict(frame.channels), self._selection)
        made = self._call(dict(frame.channels), frame.pulse_id, tuple(frame.timestamp), self._own)
        return None if made is None else select(with_parameters(made, self._parameters), self._selection)


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

    def __init__(self, selection: Selection, parameters: str, call: Call, own_parameters: dict[str, Any], first: bool) -> None:
        """
        :param parameters: JSON text, sent as ``processing_parameters``
        :param call: takes parameters and whether it is the first call; gives an object with channels, pulse_id and timestamp, or None
        :param first: whether the script has not been called yet
        """
        self._selection, self._parameters, self._call, self._own, self._first = selection, parameters, call, own_parameters, first

    def prepare(self, frame: Frame) -> None:
        """Nothing is loaded late."""

    def process(self, frame: Frame) -> Made | None:
        """:raises ScriptError: if the script fails"""
        del frame  # it only says when
        first, self._first = self._first, False
        made = self._call(self._own, first)
        if made is None:
            return None
        return Made(select(with_parameters(made.channels, self._parameters), self._selection), made.pulse_id, made.timestamp)
