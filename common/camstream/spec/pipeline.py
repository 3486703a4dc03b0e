"""The Pipeline: one processing of a camera, a stream or another pipeline, with one output."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from camstream.spec.base import IMMUTABLE, LIVE, Rule, Spec, exactly_one
from camstream.spec.camera import Names
from camstream.spec.fields import (
    Address,
    Backlog,
    ExternalName,
    FrameRate,
    InputMode,
    MebiBytes,
    NonNegative,
    OutputMode,
    Positive,
    Seconds,
)
from camstream.spec.output import Lifecycle, PipelineOutput, Reference, WorkerPlacement
from camstream.spec.processing import Processing
from camstream.spec.script import Script

ChannelNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=1024)]


INPUT_KINDS = ("camera", "pipeline", "address")


class PipelineType(StrEnum):
    """What a pipeline does with its input."""

    PROCESSING = "Processing"
    """Images: prepared, then analysed or handed to a script."""
    STREAM = "Stream"
    """Any bsread stream, with all its channels: handed to a script, or passed on."""
    STORE = "Store"
    """The raw images of a camera in one channel named after it, for a receiver that stores them."""
    CUSTOM = "Custom"
    """No input: a script makes the messages."""
    SCRIPT = "Script"
    """No input and no output: a script does everything itself."""
    FAN_OUT = "FanOut"
    """Any bsread stream, each message to one of several readers in turn."""
    FAN_IN = "FanIn"
    """What other pipelines send to it by their output.pipeline, gathered in one stream."""


IMAGES = (PipelineType.PROCESSING, PipelineType.STORE)
"""Types that read images with their axes; the others read any channels."""

WITHOUT_INPUT = (PipelineType.CUSTOM, PipelineType.SCRIPT, PipelineType.FAN_IN)
BY_SCRIPT = (PipelineType.CUSTOM, PipelineType.SCRIPT)
"""Types that are nothing without a script."""


class Merge(Spec):
    """A second bsread stream, whose messages are joined to those of the input by pulse id."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one(INPUT_KINDS),)

    camera: Reference | None = None
    """A Camera of the same namespace."""
    pipeline: Reference | None = None
    """Another Pipeline of the same namespace."""
    address: Address | None = None
    """Any bsread stream."""
    mode: InputMode = InputMode.SUB
    channels: ChannelNames = []
    """Take only these channels of it. Empty: all."""
    queue_size: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Messages of each stream that may wait for the other. Beyond it, the oldest are dropped and counted."""
    queue_mebibytes: MebiBytes = 256
    """Memory that messages of each stream may take while they wait [MiB]."""


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


def _by_script(spec: "PipelineSpec") -> bool:
    return spec.script is not None or spec.type not in BY_SCRIPT


def _input_fits(spec: "PipelineSpec") -> bool:
    return (spec.input is None) is (spec.type in WITHOUT_INPUT)


NO_INPUT = PipelineInput.model_construct()
"""For pipelines without an input: what all inputs have in common, at its defaults."""


class PipelineSpec(Spec):
    """What a pipeline shall be."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="input is needed, unless type is Custom, Script or FanIn, which have none",
            holds=_input_fits,
            cel="has(self.input) != (self.type in ['Custom', 'Script', 'FanIn'])",
        ),
        Rule(
            message="types Custom and Script need a script",
            holds=_by_script,
            cel="has(self.script) || !(self.type in ['Custom', 'Script'])",
        ),
        Rule(
            message="a script runs in pipelines of the types Processing, Stream, Custom and Script only",
            holds=lambda spec: spec.script is None or spec.type in (PipelineType.PROCESSING, PipelineType.STREAM, *BY_SCRIPT),
            cel="!has(self.script) || self.type in ['Processing', 'Stream', 'Custom', 'Script']",
        ),
        Rule(
            message="only pipelines of the types Processing and Stream merge a second stream",
            holds=lambda spec: spec.merge is None or spec.type in (PipelineType.PROCESSING, PipelineType.STREAM),
            cel="!has(self.merge) || self.type in ['Processing', 'Stream']",
        ),
        Rule(
            message="types Store and FanOut hand each message to one reader; set output.mode to Push",
            holds=lambda spec: spec.output.mode is OutputMode.PUSH or spec.type not in (PipelineType.STORE, PipelineType.FAN_OUT),
            cel="self.output.mode == 'Push' || !(self.type in ['Store', 'FanOut'])",
        ),
        Rule(
            message="replicas above 1 need input.mode Pull: several readers of a Pub stream would all send the same",
            holds=lambda spec: spec.replicas <= 1 or (spec.input is not None and spec.input.mode is InputMode.PULL),
            cel="self.replicas <= 1 || (has(self.input) && self.input.mode == 'Pull')",
        ),
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
    type: PipelineType = PipelineType.PROCESSING
    input: PipelineInput | None = None
    merge: Merge | None = None
    script: Annotated[Script | None, LIVE] = None
    processing: Annotated[Processing, LIVE] = Processing()
    selection: Annotated[Selection, LIVE] = Selection()
    failure: Annotated[Failure, LIVE] = Failure()
    output: PipelineOutput = PipelineOutput()
    reorder: Annotated[NonNegative, Field(le=10_000), LIVE] = 0
    """FanIn: messages that wait, so that they leave in the order of their pulses. 0: they leave as they come."""
    replicas: Annotated[NonNegative, Field(le=256), LIVE] = 1
    """Workers that share the messages of a Pull input; 0: none for now. ``kubectl scale`` and autoscalers set it, too. On one machine
    there is never more than one to which readers connect."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Frames that are processed at the same time; they leave in the order of their pulses. Averaging needs 1."""
    lifecycle: Annotated[Lifecycle, LIVE] = Lifecycle()
    worker: WorkerPlacement = WorkerPlacement()

    @property
    def reading(self) -> PipelineInput:
        """How messages are read, also by those that nobody tells where to read."""
        return self.input or NO_INPUT
