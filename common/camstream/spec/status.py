"""What is told about an object: conditions for machines, a phase for people."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, JsonValue, model_validator

from camstream.spec.base import Spec


class Phase(StrEnum):
    """One word for people. Machines read the conditions."""

    PENDING = "Pending"
    """Not started yet."""
    STARTING = "Starting"
    """The worker starts; it has no stream yet."""
    RUNNING = "Running"
    """Frames flow."""
    WAITING = "Waiting"
    """The worker is ready, but its source or input is silent."""
    IDLE = "Idle"
    """Not needed: nobody reads it. It starts when it is asked for."""
    STOPPED = "Stopped"
    """Stopped on request."""
    COMPLETED = "Completed"
    """Ended by itself after its last frame."""
    FAILED = "Failed"
    """Does not run, and the conditions say why."""


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    """The spec is valid and its references are resolved."""
    DEPLOYED = "Deployed"
    """On a cluster: everything that Kubernetes needs to run the worker is there."""
    ACTIVE = "Active"
    """A worker is running."""
    INPUT_CONNECTED = "InputConnected"
    """Frames came within the time-out."""
    CONFIG_APPLIED = "ConfigApplied"
    """The worker runs with the configuration that is wanted."""
    BACKGROUND_LOADED = "BackgroundLoaded"
    """The background is in use."""
    SCRIPT_RUNS = "ScriptRuns"
    """The user's own code is loaded and does not fail."""
    READY = "Ready"
    """A client that connects now gets data."""
    RECONCILIATION_PAUSED = "ReconciliationPaused"
    """On a cluster: nothing is changed, because the annotation ``camstream.dev/pause-reconciliation`` asks for that."""


class ConditionStatus(StrEnum):
    """As in Kubernetes."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Spec):
    """One fact about an object."""

    type: str = Field(max_length=316)
    """What it is about, one word in CamelCase."""
    status: ConditionStatus
    """Whether it is so."""
    reason: str = Field(max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    """One word in CamelCase."""
    message: str = Field(default="", max_length=32768)
    """What is so, and what to do about it."""
    last_transition_time: str = Field(json_schema_extra={"format": "date-time"})
    """When the status last changed."""
    observed_generation: int | None = None
    """The ``metadata.generation`` that it is about."""


LIST_BY_TYPE: dict[str, JsonValue] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
Conditions = Annotated[list[Condition], Field(max_length=32, json_schema_extra=LIST_BY_TYPE)]


class StreamStatus(Spec):
    """Where the stream is."""

    address: str | None = None
    """ZMQ address that clients connect to; or where the worker sends to, or the file that it writes."""
    external_address: str | None = None
    """The same from outside the cluster, where the Service is told to be reachable from there."""
    mode: str | None = None
    """How it is sent: Pub or Push."""


class ImageStatus(Spec):
    """The images as they were last seen."""

    width: int | None = None
    """[pixel]"""
    height: int | None = None
    """[pixel]"""
    pixel_type: str | None = None
    """Numpy name of the type."""
    size: str | None = None
    """Width and height in one word, as tables show it: ``1280x960``. Follows from them."""

    @model_validator(mode="before")
    @classmethod
    def _size_in_words(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("width") and values.get("height"):
            return values | {"size": f"{values['width']}x{values['height']}"}
        return values


class ConfigStatus(Spec):
    """Which configuration is wanted and which one runs."""

    desired_hash: str | None = None
    """The one that follows from the spec."""
    applied_hash: str | None = None
    """The one that the worker runs with."""
    ended_hash: str | None = None
    """The one with which the worker ended for good: completed, or failed where that is not tried again. It is not
    started while this one is wanted."""


class ExitStatus(Spec):
    """How a worker ended."""

    reason: str
    """One word in CamelCase."""
    exit_code: int | None = None
    """Of the process; 0 where it ended as intended."""
    message: str = ""
    """What happened, in words."""


class WorkerStatus(Spec):
    """The process behind the stream."""

    pod_name: str | None = None
    """Where it runs."""
    node_name: str | None = None
    """Where the pod runs."""
    restarts: int = 0
    """How often it was started again."""
    last_exit: ExitStatus | None = None
    """How it ended the last time."""


class StreamingStatus(Spec):
    """What Camera and Pipeline have in common."""

    observed_generation: int | None = None
    """The ``metadata.generation`` that this status is about."""
    phase: Phase = Phase.PENDING
    conditions: Conditions = []
    input: str | None = None
    """What the worker reads, in words."""
    stream: StreamStatus = StreamStatus()
    image: ImageStatus = ImageStatus()
    clients: int | None = None
    """Readers that are connected."""
    config: ConfigStatus = ConfigStatus()
    worker: WorkerStatus = WorkerStatus()


class CameraStatus(StreamingStatus):
    """How a camera is."""


class BackgroundUse(Spec):
    """The background that a pipeline uses."""

    name: str
    """Its id."""
    sha256: str
    """Of its file."""


class ScriptUse(Spec):
    """The script that a pipeline runs."""

    sha256: str | None = None
    """Of its text; of the one that runs, where a newer one was refused."""
    error: str = ""
    """What is wrong with it, with file and line."""


class PipelineStatus(StreamingStatus):
    """How a pipeline is."""

    background: BackgroundUse | None = None
    script: ScriptUse | None = None
    replicas: int | None = None
    """Workers that there are."""
    selector: str | None = None
    """Labels of their pods, for autoscalers."""


class BackgroundStatus(Spec):
    """What was collected."""

    observed_generation: int | None = None
    """The ``metadata.generation`` that this status is about."""
    phase: Phase = Phase.PENDING
    conditions: Conditions = []
    name: str | None = None
    """Id under which workers find it."""
    sha256: str | None = None
    """Of the file."""
    image: ImageStatus = ImageStatus()
    frames: int | None = None
    """How many were averaged."""
    collected_at: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """When the last of them came."""
