"""The Pipeline: one processing of a camera, a stream or another pipeline, with one output."""

from typing import Annotated, ClassVar

from pydantic import Field

from camstream.spec.base import IMMUTABLE, LIVE, Rule, Spec, exactly_one
from camstream.spec.camera import Names
from camstream.spec.fields import Address, Backlog, ExternalName, FrameRate, InputMode, MebiBytes, ObjectName, Positive, Seconds
from camstream.spec.output import Lifecycle, StreamOutput, WorkerPlacement
from camstream.spec.processing import Processing

ChannelNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=1024)]


class Reference(Spec):
    """Another object of the same namespace."""

    name: ObjectName
    """Its ``metadata.name``."""


INPUT_KINDS = ("camera", "pipeline", "address")


class PipelineInput(Spec):
    """Where the frames come from: exactly one of camera, pipeline and address."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one(INPUT_KINDS),)

    camera: Reference | None = None
    """A Camera of the same namespace."""
    pipeline: Reference | None = None
    """Another Pipeline of the same namespace."""
    address: Address | None = None
    """Any bsread stream with the channels image, x_axis and y_axis."""
    mode: InputMode = InputMode.SUB
    backlog: Annotated[Backlog, LIVE] = Backlog.NEWEST
    """What to do with frames that arrive faster than they are processed."""
    queue_size: Positive = 4
    """Messages that may wait."""
    queue_mebibytes: MebiBytes = 32
    """Memory that may wait [MiB]: large frames shorten the queue, down to one message."""
    timeout_seconds: Annotated[Seconds, LIVE] = 10
    """Silence after which the input counts as down: told in the status, and the connection is made anew. 0: never."""


class PulseIdRange(Spec):
    """Which pulses to process."""

    first: Annotated[int, Field(ge=0, le=2**63 - 1)]
    """Earlier ones are skipped. 0: nothing is processed yet."""
    last: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """The first later one ends the stream. 0: no end."""


class Selection(Spec):
    """Which frames are processed, and which channels are sent."""

    pause: bool = False
    """Drop every frame."""
    pulse_ids: PulseIdRange | None = None
    downsampling: Positive = 1
    """Process one frame in N."""
    max_frame_rate: FrameRate | None = None
    """Drop frames that come sooner than this after the last one [Hz]."""
    records: Positive | None = None
    """End after that many messages."""
    include: ChannelNames = []
    """Send only these channels, in this order. Empty: all."""
    exclude: ChannelNames = []
    """Do not send these channels."""
    require_increasing_pulse_id: bool = False
    """Drop a result whose pulse id is not above the last one."""
    require_increasing_timestamp: bool = False
    """Drop a result whose time is not after the last one."""
    require_pulse_id_in_timestamp: bool = False
    """Drop a result whose nanoseconds do not end in the last six digits of its pulse id (SwissFEL's convention)."""


class Failure(Spec):
    """What happens when something goes wrong. Each failure is counted and told in the status in any case."""

    abort_on_error: bool = False
    """End the worker when a frame cannot be processed, instead of skipping the frame."""
    abort_on_timeout: bool = False
    """End the worker when the input is silent for input.timeoutSeconds, instead of connecting again."""
    notify_on_error: bool = False
    """When the background cannot be used, send a reduced message with an empty image and the reason in processing_parameters."""


class PipelineSpec(Spec):
    """What a pipeline shall be."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="averaging and accumulate depend on the order of frames; set threads to 1",
            holds=lambda spec: spec.threads == 1 or not (spec.processing.averaging or spec.processing.accumulate),
            cel="self.threads == 1 || !(has(self.processing.averaging) || has(self.processing.accumulate))",
        ),
    )

    external_name: Annotated[ExternalName | None, IMMUTABLE] = None
    """Name of the pipeline outside Kubernetes, where upper case and other characters are usual. Default: the object's name."""
    groups: Annotated[Names, LIVE] = []
    """Groups under which the pipeline is listed."""
    input: PipelineInput
    processing: Annotated[Processing, LIVE] = Processing()
    selection: Annotated[Selection, LIVE] = Selection()
    failure: Annotated[Failure, LIVE] = Failure()
    output: StreamOutput = StreamOutput()
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Frames that are processed at the same time; they leave in the order of their pulses. Averaging needs 1."""
    lifecycle: Annotated[Lifecycle, LIVE] = Lifecycle()
    worker: WorkerPlacement = WorkerPlacement()
