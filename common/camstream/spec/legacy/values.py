"""How single values of cam_server's JSON are read. Configurations in use hold texts for numbers and booleans, too.

Each reader takes one value, gives what our spec holds instead (None: not set) and raises ``ValueError`` for what it cannot read.
"""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

from camstream.names import PICTURE_SUFFIX, name_of_object

Read = Callable[[Any], Any]


class NotYet(ValueError):  # noqa: N818
    """A value that is right, but belongs to something that camstream does not have yet."""


def same(value: Any) -> Any:
    return value


def number(value: Any) -> float:
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"expected a number, found {value!r}")
    return found


def whole(value: Any) -> int:
    found = number(value)
    if found != int(found):
        raise ValueError(f"expected a whole number, found {value!r}")
    return int(found)


def flag(value: Any) -> bool:
    known = {"true": True, "false": False, "1": True, "0": False}
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError(f"expected true or false, found {value!r}") from None


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {value!r}")  # noqa: TRY004 - all readers raise the same
    return value.strip()


def texts(value: Any) -> list[str]:
    """A list of texts, or one text alone."""
    return [text(item) for item in value] if isinstance(value, list) else [text(value)]


def positive(read: Read) -> Read:
    """Zero and less switch a setting off."""

    def reader(value: Any) -> Any:
        found = read(value)
        return found if found > 0 else None

    return reader


def at_least(least: int) -> Read:
    return lambda value: max(least, whole(value))


def seconds(value: Any) -> int:
    """Whole seconds, rounded up; 0 for never."""
    return max(0, math.ceil(number(value)))


def milliseconds(value: Any) -> int:
    return seconds(number(value) / 1000)


def lifecycle(value: Any) -> dict[str, Any]:
    timeout = seconds(value)
    return {"mode": "OnDemand", "idleTimeoutSeconds": timeout} if timeout else {"mode": "Always"}


def choice(known: Mapping[str, Any]) -> Read:
    """One of some words, in any case."""

    def reader(value: Any) -> Any:
        try:
            return copy.deepcopy(known[str(value).strip().lower()])
        except KeyError:
            raise ValueError(f"expected one of {', '.join(known)}, found {value!r}") from None

    return reader


compression = choice(
    {
        "false": "None",
        "none": "None",
        "true": "BitshuffleLz4",
        "bitshuffle_lz4": "BitshuffleLz4",
    }
)
stream_mode = choice({"sub": "Sub", "pull": "Pull"})


def object_name(external_name: Any) -> str:
    """Name of the object for a name of cam_server."""
    return name_of_object(text(external_name))


def _members(value: Any, names: Mapping[str, tuple[str, Read]]) -> dict[str, Any]:
    """Members of a nested object; those that are null are left to their defaults."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected an object, found {value!r}")  # noqa: TRY004
    unknown = sorted(set(value) - set(names))
    if unknown:
        raise ValueError(f"expected {', '.join(names)}; found {', '.join(map(repr, unknown))}")
    return {names[key][0]: names[key][1](member) for key, member in value.items() if member is not None}


def _four(value: Any, read: Read) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError(f"expected four numbers, found {value!r}")
    return [read(item) for item in value]


def region(value: Any) -> dict[str, int]:
    """``[offset_x, size_x, offset_y, size_y]``."""
    return dict(zip(("offsetX", "sizeX", "offsetY", "sizeY"), _four(value, whole), strict=True))


def movable_region(value: Any) -> dict[str, int]:
    """As a pipeline reads it: an offset below zero is moved inside."""
    found = region(value)
    return found | {key: max(0, found[key]) for key in ("offsetX", "offsetY")}


def calibration(value: Any) -> dict[str, Any]:
    return _members(
        value,
        {
            "reference_marker": ("referenceMarker", _marker),
            "reference_marker_width": ("referenceMarkerWidth", number),
            "reference_marker_height": ("referenceMarkerHeight", number),
            "angle_horizontal": ("angleHorizontal", number),
            "angle_vertical": ("angleVertical", number),
        },
    )


def _marker(value: Any) -> dict[str, float]:
    return dict(zip(("left", "top", "right", "bottom"), _four(value, number), strict=True))


def good_region(value: Any) -> dict[str, Any]:
    return _members(value, {"threshold": ("threshold", number), "gfscale": ("scale", number)})


def slices(value: Any) -> dict[str, Any]:
    orientation = choice({"vertical": "Vertical", "horizontal": "Horizontal"})
    return _members(
        value,
        {
            "number_of_slices": ("count", whole),
            "scale": ("scale", number),
            "orientation": ("orientation", orientation),
        },
    )


def rotation(value: Any) -> dict[str, Any] | None:
    """A number, or an object of angle, order and mode. An angle of 0 is no rotation."""
    given = value if isinstance(value, Mapping) else {"angle": value}
    found = _members(given, {"angle": ("angle", number), "order": ("order", whole), "mode": ("mode", same)})
    if not found.get("angle"):
        return None
    return found | _rotation_mode(found.pop("mode", "0.0"))


def _rotation_mode(value: Any) -> dict[str, Any]:
    names = {
        "constant": "Constant",
        "reflect": "Reflect",
        "nearest": "Nearest",
        "mirror": "Mirror",
        "wrap": "Wrap",
        "ortho": "Orthogonal",
    }
    try:
        return {"mode": "Constant", "fill": number(value)}
    except ValueError:  # a word, then
        return {"mode": choice(names)(value)}


def accumulate(value: Any) -> dict[str, Any] | None:
    """N: one of N frames goes on. -N: the running mean."""
    frames = whole(value)
    mode = "Block" if frames > 0 else "Running"
    return {"frames": abs(frames), "mode": mode} if frames else None


def averaging(value: Any) -> int | None:
    frames = whole(value)
    return frames if frames > 1 else None


def quarter_turns(value: Any) -> int:
    return whole(value) % 4


def binning_mode(value: Any) -> str:
    return "Mean" if flag(value) else "Sum"


def camera_background(value: Any) -> dict[str, Any] | None:
    """An id; true stands for the latest."""
    if isinstance(value, bool):
        return {} if value else None
    return {"name": text(value)}


background_mode = choice(
    {
        "false": None,
        "0": None,
        "true": "Subtract",
        "1": "Subtract",
        "signed": "SubtractSigned",
        "passive": "Passive",
    }
)


BUILT_IN = {
    "processing": ("default", "transparent", "merge"),
    "stream": ("propagate_stream",),
}
"""Functions of cam_server that need no script here, by pipeline_type."""

SCRIPTS = {
    "processing": ("psen", "psss"),
    "stream": ("propagate_stream_with_prefix",),
}
"""Functions of cam_server that are scripts here, which come with the worker, by pipeline_type."""

SCRIPTS_PACKAGE = "camstream_worker.scripts"
"""Where they are, each in a module of its name."""

pipeline_type = choice(
    {
        "processing": "Processing",
        "stream": "Stream",
        "store": "Store",
        "custom": "Custom",
        "script": "Script",
        "fanout": "FanOut",
        "fanin": "FanIn",
    }
)


def function(value: Any) -> str:
    name = text(value)
    if name not in BUILT_IN["processing"]:
        raise ValueError(f"function {name!r} is none of {', '.join(BUILT_IN['processing'])}")
    return name.capitalize()


def under(name: str) -> Read:
    """The value as a member of an object."""
    return lambda value: {name: value}


def script_file(value: Any) -> str:
    """The file of a user's function, which cam_server names with or without its ending."""
    name = text(value)
    return name if name.endswith(".py") else f"{name}.py"


def script_module(value: Any) -> str:
    """The module of a function that comes with the worker."""
    return f"{SCRIPTS_PACKAGE}.{text(value)}"


def file_path(value: Any) -> str:
    """A path below the folder for files."""
    return text(value).lstrip("/")


def always(found: Any) -> Read:
    """The same, whatever is written."""
    return lambda _: found


def at_most(most: int) -> Read:
    return lambda value: max(1, min(whole(value), most))


def reorder(value: Any) -> int | None:
    found = whole(value)
    return max(found, 2) if found > 0 else None


def header_policy(value: Any) -> str:
    words = {"always": "Always", "true": "Always", "once": "Once", "false": "Once"}
    return words.get(str(value).strip().lower(), "OnChange")


def pulse_ids(value: Any) -> dict[str, int]:
    """``[first, last]``."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"expected two pulse ids, found {value!r}")
    return {"first": max(0, whole(value[0])), "last": max(0, whole(value[1]))}


def downsampling(value: Any) -> int:
    """cam_server skips N messages after each that it keeps, where its manual says N - 1."""
    return max(0, whole(value)) + 1


def picture_channel(value: Any) -> str:
    return text(value) + PICTURE_SUFFIX


def file_and_dataset(value: Any) -> dict[str, str]:
    """``file:dataset``."""
    path, colon, dataset = text(value).rpartition(":")
    if not (path and colon and dataset):
        raise ValueError(f"expected file:dataset, found {value!r}")
    return {"path": path, "dataset": dataset}


def area_detector(value: Any) -> dict[str, str]:
    plugin = text(value) + ":image1:"
    return {"image": f"{plugin}ArrayData", "width": f"{plugin}ArraySize0_RBV", "height": f"{plugin}ArraySize1_RBV"}


_OTHER_SOURCES = ("array10", "stddaq", "stream", "script")


def source_type(value: Any) -> dict[str, Any]:
    name = str(value).strip().lower()
    if name in _OTHER_SOURCES:
        raise NotYet(f"source_type {name!r} comes with the other camera sources")
    known: dict[str, dict[str, Any]] = {
        "epics": {"epics": {}},
        "area_detector": {"epics": {}},
        "bsread": {"bsread": {}},
        "bsread_simulation": {"bsread": {"address": "tcp://127.0.0.1:9999"}},
        "bschannel": {"bsread": {"mode": "Sub", "requireIncreasingPulseId": False, "requireIncreasingTimestamp": False}},
        "simulation": {"simulation": {}},
        "hdf5": {"hdf5": {}},
    }
    return dict(choice(known)(name))
