"""Every error that camstream raises on purpose.

.. code-block:: text

    CamstreamError
    ├── SpecError               a manifest or worker configuration is wrong
    │   ├── BrokenReference     an object refers to one that does not exist, or to itself
    │   │   ├── CameraNotFound
    │   │   ├── PipelineNotFound
    │   │   └── CycleDetected
    │   ├── NameConflict        two objects claim the same external name
    │   ├── ClassNotAllowed     a worker class does not exist, or not for this namespace
    │   ├── ImmutableField      a change touches fields that can never change
    │   └── NeedsRestart        a change touches fields that cannot change in a running worker
    ├── WireError               bytes that are no bsread message
    │   ├── ForeignPeer         the other side of a connection is no ZeroMQ socket, or none that can be talked to
    │   ├── ForeignMessage      another protocol, or a bsread command
    │   ├── TruncatedMessage    frames or bytes are missing
    │   └── MalformedMessage    a header or value contradicts itself
    ├── FrameError              one frame cannot be processed; the next one may be
    │   ├── ShapeMismatch       two arrays that must agree do not
    │   └── ScriptError         a user's own code cannot be loaded, raises, or gives what cannot be sent
    │       └── ScriptTimeout   it does not come back; only a new process gets rid of it
    ├── BackgroundError         a background is missing, damaged or of the wrong shape
    │   └── StoreUnavailable    nobody who has it answers now
    └── SourceError             a source cannot deliver
        └── SourceTimeout       a source was silent for longer than allowed

A message names who, what was expected, what was found, and what to do. Errors of libraries are chained with ``from``.
"""


class CamstreamError(Exception):
    """Base of the tree."""


class SpecError(CamstreamError):
    """A manifest or worker configuration is wrong."""


class BrokenReference(SpecError):  # noqa: N818
    """An object refers to one that does not exist, or to itself."""


class CameraNotFound(BrokenReference):
    """A pipeline reads a camera that does not exist."""


class PipelineNotFound(BrokenReference):
    """A pipeline reads a pipeline that does not exist."""


class CycleDetected(BrokenReference):
    """Pipelines read each other in a circle."""


class NameConflict(SpecError):  # noqa: N818
    """Two objects claim the same external name."""


class ClassNotAllowed(SpecError):  # noqa: N818
    """A worker class does not exist, or may not be used in this namespace."""


class ImmutableField(SpecError):  # noqa: N818
    """A change touches fields that can never change in an object."""


class NeedsRestart(SpecError):  # noqa: N818 - a state, told as such in the worker's status
    """A change touches fields that cannot change in a running worker."""


class WireError(CamstreamError):
    """Bytes that are no bsread message."""


class ForeignPeer(WireError):  # noqa: N818
    """The other side of a connection is no ZeroMQ socket, or none that can be talked to."""


class ForeignMessage(WireError):  # noqa: N818
    """Another protocol, or a bsread command."""


class TruncatedMessage(WireError):  # noqa: N818
    """Frames or bytes are missing."""


class MalformedMessage(WireError):  # noqa: N818
    """A header or value contradicts itself."""


class FrameError(CamstreamError):
    """One frame cannot be processed; the next one may be."""


class ShapeMismatch(FrameError):  # noqa: N818
    """Two arrays that must agree do not."""


class ScriptError(FrameError):
    """A user's own code cannot be loaded, raises, or gives what cannot be sent."""


class ScriptTimeout(ScriptError):  # noqa: N818
    """A user's own code does not come back; only a new process gets rid of it."""


class BackgroundError(CamstreamError):
    """A background is missing, damaged or of the wrong shape."""


class StoreUnavailable(BackgroundError):  # noqa: N818
    """Who has the backgrounds does not answer now, or cannot look at them."""


class SourceError(CamstreamError):
    """A source cannot deliver."""


class SourceTimeout(SourceError):  # noqa: N818
    """A source was silent for longer than allowed."""
