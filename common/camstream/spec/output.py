"""What a worker sends, and how long it lives."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from camstream.spec.base import LIVE, SERVICE, Rule, Spec
from camstream.spec.fields import Address, Compression, MebiBytes, ObjectName, OutputMode, Port, Positive, form


class HeaderPolicy(StrEnum):
    """When the data header of the stream is made anew."""

    ON_CHANGE = "OnChange"
    """Whenever a channel, type or shape changes."""
    ALWAYS = "Always"
    """For every message."""
    ONCE = "Once"
    """With the first message only; a value that does not fit it is sent as missing."""


class Header(Spec):
    """The data header of the stream."""

    policy: HeaderPolicy = HeaderPolicy.ON_CHANGE
    allow_type_changes: bool = True
    """Without it, a channel whose type changed is sent as missing."""
    allow_shape_changes: bool = True
    """Without it, a channel whose shape changed is sent as missing."""
    compression: Compression = Compression.NONE
    """Of the data header itself."""


class ServiceType(StrEnum):
    """From where the stream can be reached on a cluster."""

    CLUSTER_IP = "ClusterIP"
    """From inside the cluster."""
    NODE_PORT = "NodePort"
    """Also from outside, at a port of every node."""
    LOAD_BALANCER = "LoadBalancer"
    """Also from outside, at an address that the cluster's load balancer gives."""


class ServiceExposure(Spec):
    """The Service in front of the worker. Of no meaning outside a cluster."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="nodePort needs type NodePort",
            holds=lambda service: service.node_port is None or service.type is ServiceType.NODE_PORT,
            cel="!has(self.nodePort) || self.type == 'NodePort'",
        ),
    )

    type: ServiceType = ServiceType.CLUSTER_IP
    node_port: Annotated[int | None, Field(ge=1024, le=65535)] = None
    """Port on every node, where it must be a certain one. Default: given by the cluster."""


class StreamOutput(Spec):
    """The bsread stream of a worker."""

    mode: OutputMode = OutputMode.PUB
    port: Annotated[Port | None, SERVICE] = None
    """Port of the stream. Default: 9999 on a cluster, where the Service has it; on one machine one that is free, kept as long as the
    object exists (there, an edit starts the worker anew)."""
    service: Annotated[ServiceExposure, SERVICE] = ServiceExposure()
    connect: Address | None = None
    """Connect to this address instead of listening, for a receiver that is itself bound."""
    queue_size: Positive = 10
    """Messages that may wait for one client."""
    queue_mebibytes: MebiBytes = 32
    """Memory that may wait for one client [MiB]: large frames shorten the queue, down to one message."""
    block: bool = True
    """Push only: wait for room. Without it a message that finds no room is dropped whole, and counted."""
    compression: Compression = Compression.NONE
    """Of arrays. Single numbers and texts are never compressed."""
    header: Header = Header()

    @property
    def is_listening(self) -> bool:
        """Whether readers connect to the worker."""
        return self.connect is None


class Reference(Spec):
    """Another object of the same namespace."""

    name: ObjectName
    """Its ``metadata.name``."""


class FileLayout(StrEnum):
    """Where in the file things are."""

    DEFAULT = "Default"
    """``/data1/<channel>/value`` and ``/header1/pulse_id``."""
    FLAT = "Flat"
    """``/data1/<channel>`` and ``/header1/pulse_id``."""
    BSH5 = "Bsh5"
    """``/<channel>/data`` and ``/pulse_id``."""


class OnExisting(StrEnum):
    """What to do where there is a file of that name. It is never overwritten."""

    REFUSE = "Refuse"
    """The worker ends with an error."""
    NUMBER = "Number"
    """The name gets a number: ``name_1.h5``, ``name_2.h5``."""


class FileOutput(Spec):
    """The HDF5 file of a worker."""

    path: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[^/.\x00-\x1f][^/\x00-\x1f]*(/[^/.\x00-\x1f][^/\x00-\x1f]*)*$",
        json_schema_extra=form("a relative path, no part of which begins with a dot"),
    )
    """Below the folder for files that those who run the installation chose. ``.h5`` is added, unless it ends in that
    or in ``.hdf5``."""
    layout: FileLayout = FileLayout.DEFAULT
    local_timestamps: bool = True
    """Write the timestamp of every channel beside its values."""
    allow_shape_changes: bool = False
    """Go on in a new group when the shape or type of a channel changes. Without it such a record fails."""
    on_existing: OnExisting = OnExisting.NUMBER


class PipelineOutput(StreamOutput):
    """Where the messages of a pipeline go."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="set at most one of connect, pipeline and file",
            holds=lambda output: sum(part is not None for part in (output.connect, output.pipeline, output.file)) <= 1,
            cel="(has(self.connect) ? 1 : 0) + (has(self.pipeline) ? 1 : 0) + (has(self.file) ? 1 : 0) <= 1",
        ),
        Rule(
            message="output.pipeline needs mode Push",
            holds=lambda output: output.pipeline is None or output.mode is OutputMode.PUSH,
            cel="!has(self.pipeline) || self.mode == 'Push'",
        ),
    )

    pipeline: Reference | None = None
    """Send to this Pipeline of type FanIn instead of listening."""
    file: FileOutput | None = None
    """Write a file instead of sending."""

    @property
    def is_listening(self) -> bool:
        return super().is_listening and self.pipeline is None and self.file is None


class LifecycleMode(StrEnum):
    """When a worker runs."""

    ALWAYS = "Always"
    """As long as the object exists."""
    STOPPED = "Stopped"
    """Not at all; the object and its address stay."""
    ON_DEMAND = "OnDemand"
    """From when it is asked for, until nobody has read it for idleTimeoutSeconds; the object and its address stay."""


class Lifecycle(Spec):
    """When the worker runs."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="deleteWhenIdle needs mode OnDemand",
            holds=lambda lifecycle: not lifecycle.delete_when_idle or lifecycle.mode is LifecycleMode.ON_DEMAND,
            # Without has() the default of the whole would break it: that is looked at before its members have theirs.
            cel="!(has(self.deleteWhenIdle) && self.deleteWhenIdle) || self.mode == 'OnDemand'",
        ),
    )

    mode: Annotated[LifecycleMode, LIVE] = LifecycleMode.ALWAYS
    idle_timeout_seconds: Annotated[int, Field(ge=1, le=31_536_000), LIVE] = 10
    """OnDemand: how long it goes on without a reader. What it reads goes on with it."""
    delete_when_idle: Annotated[bool, LIVE] = False
    """OnDemand: it runs from its creation, and is deleted instead of becoming idle. For streams that one client makes for itself."""


class Resources(Spec):
    """What a worker asks of its node, as Kubernetes quantities."""

    cpu: str | None = Field(default=None, pattern=r"^[0-9]+(\.[0-9]+)?m?$", max_length=32, json_schema_extra=form("the form 500m or 2"))
    """Cores: ``500m`` or ``2``. Also the number of threads that compression may use."""
    memory: str | None = Field(
        default=None, pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$", max_length=32, json_schema_extra=form("the form 512Mi or 2Gi")
    )
    """Bytes: ``512Mi`` or ``2Gi``. A worker that needs more is ended."""


class WorkerPlacement(Spec):
    """Where and with how much a worker runs."""

    class_name: str = Field(default="default", min_length=1, max_length=63)
    """Profile of the worker, named by those who run the installation."""
    requests: Resources = Resources()
    """What is kept free for it. Default: as the profile says."""
    limits: Resources = Resources()
    """What it may use at most. Default: as the profile says."""
