"""Field types that several specs share."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from camstream.names import DNS_LABEL, LONGEST_NAME


def form(words: str) -> dict[str, JsonValue]:
    """Say in words what a pattern asks for: people read this where a value does not match."""
    return {"x-form": words}


ObjectName = Annotated[
    str,
    Field(
        pattern=f"^{DNS_LABEL}$",
        min_length=1,
        max_length=LONGEST_NAME,
        json_schema_extra=form("lower-case letters, digits and, between them, dashes"),
    ),
]
"""Name of an object."""

Namespace = Annotated[
    str,
    Field(
        pattern=f"^{DNS_LABEL}$",
        min_length=1,
        max_length=63,
        json_schema_extra=form("lower-case letters, digits and, between them, dashes"),
    ),
]
"""Name of a namespace, as Kubernetes allows it. It becomes part of paths."""

ExternalName = Annotated[
    str, Field(pattern=r"^[^/\s\x00-\x1f]+$", min_length=1, max_length=128, json_schema_extra=form("no slash and no blank"))
]
"""Name as users outside Kubernetes know it; anything without a slash or a blank."""

Address = Annotated[
    str,
    Field(
        pattern=r"^(tcp://[^\s/:]+(:[0-9]{1,5})|tcp://\[[0-9a-fA-F:.]+\]:[0-9]{1,5}|ipc://\S+)$",
        max_length=256,
        json_schema_extra=form("the form tcp://host:port or ipc://path"),
    ),
]
"""ZMQ address: ``tcp://host:port`` or ``ipc://path``."""

PvName = Annotated[str, Field(pattern=r"^\S+$", min_length=1, max_length=60, json_schema_extra=form("no blank"))]
"""Name of an EPICS process variable (the limit is that of an EPICS record name)."""

Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
NonNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=0, le=31_536_000)]
FrameRate = Annotated[float, Field(gt=0, le=100_000)]
"""[Hz]"""

MebiBytes = Annotated[int, Field(ge=1, le=1_048_576)]


class PixelType(StrEnum):
    """Type of one pixel, by its numpy name."""

    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


class InputMode(StrEnum):
    """How to read a bsread stream."""

    SUB = "Sub"
    """Every reader gets every message."""
    PULL = "Pull"
    """Each message goes to one reader only."""


class OutputMode(StrEnum):
    """How a worker sends its stream."""

    PUB = "Pub"
    """Every client gets every message; a client that is too slow loses messages, and nobody else does."""
    PUSH = "Push"
    """Each message goes to one client only."""


class Compression(StrEnum):
    """How the bytes of a channel are packed."""

    NONE = "None"
    BITSHUFFLE_LZ4 = "BitshuffleLz4"


class Backlog(StrEnum):
    """What to do with frames that arrive faster than they are processed."""

    NEWEST = "Newest"
    """Process in order while the queue has room; when it is full, drop (and count) what waits and go on with the newest."""
    ALL = "All"
    """Process every frame in order; the queue is bounded, so in the end the sender has to wait or to drop."""


class BinningMode(StrEnum):
    """How the pixels of one bin become one."""

    SUM = "Sum"
    MEAN = "Mean"
