"""How users' functions are called, by type of pipeline: with positional arguments, so that their parameters may have any names."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy.typing as npt

from camstream.errors import ScriptError
from camstream.frame import Axis, Image, Timestamp
from camstream_worker.scripts.loader import Script
from camstream_worker.scripts.results import Channels, CustomMessage, checked_channels, checked_message

IMAGE_FUNCTIONS: Final = ("process_image", "process")
STREAM_FUNCTIONS: Final = ("process",)
CUSTOM_FUNCTIONS: Final = ("process",)
RUN_FUNCTIONS: Final = ("run",)

_IMAGE: Final = ("image", "pulse_id", "timestamp", "x_axis", "y_axis", "parameters", "bsdata")
_STREAM: Final = ("data", "pulse_id", "timestamp", "parameters")
_CUSTOM: Final = ("parameters", "init")
_RUN: Final = (
    "stop_event", "statistics", "parameter_queue", "logs_queue", "cam_client", "pipeline_config", "port", "background_manager",
    "user_scripts_manager",
)  # fmt: skip

Parameters = Mapping[str, Any]
ImageFunction = Callable[[Image, int, Timestamp, Axis, Axis, Parameters, Mapping[str, Any]], Channels | None]
StreamFunction = Callable[[Mapping[str, Any], int, Timestamp, Parameters], Channels | None]
CustomFunction = Callable[[Parameters, bool], CustomMessage | None]
RunFunction = Callable[..., None]


def image_function(script: Script) -> ImageFunction:
    """``process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata)``; without bsdata if it takes only six.

    The result raises ScriptError as :meth:`Script.call` does, and if what the function gives cannot be sent.

    :raises ScriptError: if the function takes neither seven nor six arguments
    """
    count = _accepted(script, _IMAGE, _IMAGE[:-1])
    who = _who(script)

    def call(
        image: npt.NDArray[Any],
        pulse_id: int,
        timestamp: Timestamp,
        x_axis: Axis,
        y_axis: Axis,
        parameters: Parameters,
        bsdata: Mapping[str, Any],
    ) -> Channels | None:
        arguments = image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata
        return checked_channels(script.call(*arguments[:count]), who)

    return call


def stream_function(script: Script) -> StreamFunction:
    """``process(data, pulse_id, timestamp, parameters)``, with data a dict of channel names and values.

    :raises ScriptError: as :func:`image_function`
    """
    _accepted(script, _STREAM)
    who = _who(script)
    return lambda data, pulse_id, timestamp, parameters: checked_channels(script.call(data, pulse_id, timestamp, parameters), who)


def custom_function(script: Script) -> CustomFunction:
    """``process(parameters, init)`` that gives (data, timestamp, pulse_id, size); init is true in the first call.

    :raises ScriptError: as :func:`image_function`
    """
    _accepted(script, _CUSTOM)
    who = _who(script)
    return lambda parameters, init: checked_message(script.call(parameters, init), who)


def run_function(script: Script) -> RunFunction:
    """``run(stop_event, statistics, parameter_queue, ...)`` with its nine arguments; it returns when it has ended.

    :raises ScriptError: as :func:`image_function`
    """
    _accepted(script, _RUN)

    def run(*arguments: Any) -> None:
        script.call(*arguments)

    return run


def _who(script: Script) -> str:
    return f"script {script.name!r}: {script.where}"


def _accepted(script: Script, *forms: tuple[str, ...]) -> int:
    """How many arguments to call a function with: as many as the first form that it takes."""
    try:
        signature = inspect.signature(script.function)
    except (TypeError, ValueError):
        # Compiled functions do not tell; they are called with all.
        return len(forms[0])
    for form in forms:
        try:
            signature.bind(*form)
        except TypeError:
            continue
        return len(form)
    expected = " or ".join(str(len(form)) for form in forms)
    raise ScriptError(f"{_who(script)}{signature} cannot be called with {expected} arguments; change it to take ({', '.join(forms[0])})")
