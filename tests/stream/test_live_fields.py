"""Every live field, edited while a worker runs: it takes the edit over, and its stream shows it.

What a field does to a frame is what the plan of its configuration does to it, and tests/unit/worker tests that; here the stream of the
running worker must become the one that a worker with the new configuration would send from its start.
"""

import copy
import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zmq
from edits import every_edit, set_at
from feeds import Feed
from live_worker import LiveWorker, live_worker
from ports import free_port
from workers import Reader, camera, pipeline, reader, simulation, store_background
from workers import worker as worker_process

from camstream.errors import CamstreamError
from camstream.frame import Frame, Timestamp
from camstream.spec import WorkerConfig
from camstream.spec.base import Change
from camstream.spec.source import SimulationSource
from camstream.wire import Message
from camstream_worker.counters import Counters
from camstream_worker.service.configuration import prepare
from camstream_worker.sources import open_source
from camstream_worker.sources.simulation import BeamSimulation

Document = dict[str, Any]


def edited(config: Document, path: str, value: Any) -> Document:
    """The configuration with one field of its spec at another value; ``path`` begins with the kind."""
    kind, *parts = path.split(".")
    found = copy.deepcopy(config)
    set_at(found[kind.lower()], tuple(parts), value)
    return found


# ------------------------------------------------------------------ told only: nothing of the stream follows from it

ON_DEMAND: Document = {"lifecycle": {"mode": "OnDemand"}}
TOLD: dict[str, tuple[Any, Document]] = {
    "Camera.aliases": (["SCREEN"], {}),
    "Camera.groups": (["all"], {}),
    "Camera.lifecycle.mode": ("OnDemand", {}),
    "Camera.lifecycle.idleTimeoutSeconds": (60, ON_DEMAND),
    "Camera.lifecycle.deleteWhenIdle": (True, ON_DEMAND),
    "Pipeline.groups": (["all"], {}),
    "Pipeline.lifecycle.mode": ("OnDemand", {}),
    "Pipeline.lifecycle.idleTimeoutSeconds": (60, ON_DEMAND),
    "Pipeline.lifecycle.deleteWhenIdle": (True, ON_DEMAND),
    "Pipeline.replicas": (0, {}),
}
"""Value, and what is around it in the spec before. Whether a worker runs, and how it is listed, is for the operator: its worker only has
to take the configuration over."""


# ------------------------------------------------------------------ seen in the values of the stream


@dataclass(frozen=True)
class Seen:
    """An edit that the values of the stream show."""

    after: Any
    around: Document = field(default_factory=dict)
    """Of the spec, before."""


STATIC: Document = {"pattern": "StaticBeam"}
MARKER = {"referenceMarker": {"left": 0, "top": 0, "right": 20, "bottom": 40}}
REGION = {"regionOfInterest": {"offsetX": 4, "sizeX": 20, "offsetY": 6, "sizeY": 30}}

OF_CAMERAS: dict[str, Seen] = {
    "source.simulation.width": Seen(32),
    "source.simulation.height": Seen(32),
    "source.simulation.pixelType": Seen("uint8"),
    "source.simulation.pattern": Seen("StaticNoise"),
    "source.simulation.seed": Seen(1),
    "source.simulation.noise": Seen(0.05),
    "source.simulation.deadPixels": Seen(7),
    "geometry.binning.sizeX": Seen(2),
    "geometry.binning.sizeY": Seen(2),
    "geometry.binning.mode": Seen("Mean", {"geometry": {"binning": {"sizeX": 2}}}),
    "geometry.mirror.leftRight": Seen(True),
    "geometry.mirror.upDown": Seen(True),
    "geometry.rotateQuarterTurns": Seen(1),
    "geometry.regionOfInterest.offsetX": Seen(9, {"geometry": REGION}),
    "geometry.regionOfInterest.sizeX": Seen(9, {"geometry": REGION}),
    "geometry.regionOfInterest.offsetY": Seen(9, {"geometry": REGION}),
    "geometry.regionOfInterest.sizeY": Seen(9, {"geometry": REGION}),
    "calibration.referenceMarker.left": Seen(3, {"calibration": MARKER}),
    "calibration.referenceMarker.top": Seen(3, {"calibration": MARKER}),
    "calibration.referenceMarker.right": Seen(30, {"calibration": MARKER}),
    "calibration.referenceMarker.bottom": Seen(30, {"calibration": MARKER}),
    "calibration.referenceMarkerWidth": Seen(7, {"calibration": MARKER}),
    "calibration.referenceMarkerHeight": Seen(7, {"calibration": MARKER}),
    "calibration.angleHorizontal": Seen(30, {"calibration": MARKER}),
    "calibration.angleVertical": Seen(30, {"calibration": MARKER}),
    "background.name": Seen("brighter", {"background": {"name": "dark"}}),
    "pixelType": Seen("uint8"),
}

SCRIPT = """
def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    return {"first": pulse_id + parameters.get("more", 0)}

def other(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    return {"second": image.sum()}
"""
GOOD: Document = {"goodRegion": {}}
SLICED: Document = {"goodRegion": {}, "slices": {"count": 3}}

OF_PIPELINES: dict[str, Seen] = {
    "script.function": Seen("other", {"script": {"source": SCRIPT}}),
    "script.parameters": Seen({"more": 3}, {"script": {"source": SCRIPT}}),
    "script.source": Seen(SCRIPT.replace("first", "third"), {"script": {"source": SCRIPT}}),
    "processing.accumulate.frames": Seen(2, {"processing": {"accumulate": {"frames": 1}}}),
    "processing.accumulate.mode": Seen("Running", {"processing": {"accumulate": {"frames": 2}}}),
    "processing.binning.sizeX": Seen(2),
    "processing.binning.sizeY": Seen(2),
    "processing.binning.mode": Seen("Mean", {"processing": {"binning": {"sizeX": 2}}}),
    "processing.background.name": Seen("brighter", {"processing": {"background": {"name": "dark"}}}),
    "processing.background.mode": Seen("SubtractSigned", {"processing": {"background": {"name": "brighter"}}}),
    "processing.mirror.leftRight": Seen(True),
    "processing.mirror.upDown": Seen(True),
    "processing.rotation.angle": Seen(20, {"processing": {"rotation": {"angle": 5}}}),
    "processing.rotation.order": Seen(3, {"processing": {"rotation": {"angle": 5}}}),
    "processing.rotation.mode": Seen("Reflect", {"processing": {"rotation": {"angle": 5}}}),
    "processing.rotation.fill": Seen(77, {"processing": {"rotation": {"angle": 5}}}),
    "processing.regionOfInterest.offsetX": Seen(9, {"processing": REGION}),
    "processing.regionOfInterest.sizeX": Seen(9, {"processing": REGION}),
    "processing.regionOfInterest.offsetY": Seen(9, {"processing": REGION}),
    "processing.regionOfInterest.sizeY": Seen(9, {"processing": REGION}),
    "processing.threshold": Seen(300),
    "processing.averaging": Seen(2),
    "processing.scale": Seen(2),
    "processing.offset": Seen(5),
    "processing.function": Seen("Merge"),
    "processing.goodRegion.threshold": Seen(0.7, {"processing": GOOD}),
    "processing.goodRegion.scale": Seen(0.9, {"processing": GOOD}),
    "processing.slices.count": Seen(5, {"processing": SLICED}),
    "processing.slices.scale": Seen(1, {"processing": SLICED}),
    "processing.slices.orientation": Seen("Horizontal", {"processing": SLICED}),
    "processing.widthLevel": Seen(0.5),
    "selection.include": Seen(["intensity", "image"]),
    "selection.exclude": Seen(["image"]),
    "failure.notifyOnError": Seen(True, {"processing": {"background": {"name": "small"}}}),
}

IGNORED = {"timestamp", "processing_parameters"}
"""Of a camera's frames each has its own time; and that the configuration travels along shows nothing of what was done."""


def values_of(config: WorkerConfig, frames: Sequence[Frame]) -> list[dict[str, Any]]:
    """What a worker with this configuration sends from its start, message by message."""
    plan = prepare(config).plan
    made = []
    for frame in frames:
        # Nothing is sent for a frame that cannot be processed.
        with suppress(CamstreamError):
            values = plan.process(frame)
            assert values is None or isinstance(values, dict)
            made += [] if values is None else [{"pulse_id": frame.pulse_id} | values]
    return made


def same(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> bool:
    """Whether the same messages come, with the same channels, types and values."""
    left, right = ([{k: np.asarray(v) for k, v in values.items() if k not in IGNORED} for values in some] for some in (one, other))
    if [list(values) for values in left] != [list(values) for values in right]:
        return False
    pairs = [(a[name], b[name]) for a, b in zip(left, right, strict=True) for name in a]
    return all(a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


def with_background(config: Document, folder: Path, name: str | None) -> Document:
    """With the file that the spec asks for, as the supervisor would add it."""
    if name is None:
        return config
    pixels = {"dark": np.full((48, 64), 9, np.uint16), "brighter": np.full((48, 64), 400, np.uint16), "small": np.ones((4, 4), np.uint16)}
    return config | {"background": store_background(folder, name, pixels[name])}


# ------------------------------------------------------------------ cameras


@pytest.mark.parametrize("path", OF_CAMERAS)
def test_edit_of_a_running_camera_makes_its_stream_that_of_one_started_with_it(tmp_path: Path, path: str) -> None:
    edit = OF_CAMERAS[path]
    asks = edit.around.get("background", {}).get("name")
    before = with_background(camera(simulation(64, 48, 50, **STATIC), **edit.around), tmp_path, asks)
    after = with_background(edited(before, f"Camera.{path}", edit.after), tmp_path, edit.after if asks else None)
    with live_worker(tmp_path, before) as worker, reader(worker.runner.address) as r:
        assert same([r.message().values], [image_of(before)])
        worker.apply(after)
        wanted = [image_of(after)]
        assert not same(wanted, [image_of(before)])
        r.until(lambda message: same([message.values], wanted))


def image_of(document: Document) -> dict[str, Any]:
    """What a camera with this configuration sends of its one image."""
    config = WorkerConfig.model_validate(document)
    source = open_source(config, Counters())
    try:
        frame = source.receive(1)
    finally:
        source.close()
    assert frame is not None
    [values] = values_of(config, [frame])
    del values["pulse_id"]
    return values


NEVER_HZ = 0.001
"""[Hz] After the first frame nothing comes any more, as far as a test is concerned."""


@pytest.mark.parametrize("path", ["source.simulation.frameRate", "source.hdf5.frameRate", "source.hdf5.speed"])
def test_rate_of_a_running_source_changes(tmp_path: Path, path: str) -> None:
    recorded = tmp_path / "images.h5"
    with h5py.File(recorded, "w") as file:
        file["images"] = np.ones((3, 48, 64), np.uint16)
    source = {"hdf5": {"path": str(recorded), "dataset": "images", "frameRate": NEVER_HZ}}
    before = camera(source if "hdf5" in path else simulation(64, 48, NEVER_HZ))
    with live_worker(tmp_path, before) as worker, reader(worker.runner.address) as r:
        worker.wait_for("first frame", lambda runner: runner.counters.sent == 1)
        # 0 is as fast as they are taken.
        worker.apply(edited(before, f"Camera.{path}", 0 if path.endswith("speed") else 50))
        assert len({message.pulse_id for message in r.messages(5)}) == 5


def test_max_frame_rate_of_a_running_camera_drops_and_counts(tmp_path: Path) -> None:
    before = camera(simulation(64, 48, 100))
    with live_worker(tmp_path, before) as worker:
        worker.wait_for("frames", lambda runner: runner.counters.sent > 3)
        assert not worker.runner.counters.selection_drops
        worker.apply(edited(before, "Camera.source.maxFrameRate", NEVER_HZ))
        worker.wait_for("drops", lambda runner: runner.counters.selection_drops["max_frame_rate"] > 3)


def test_a_running_camera_begins_to_make_pulse_ids_of_the_time(tmp_path: Path) -> None:
    before = camera(simulation(64, 48, 10))
    with live_worker(tmp_path, before) as worker, reader(worker.runner.address) as r:

        def hundredths(message: Message) -> bool:
            return abs(message.pulse_id - message.timestamp.seconds() * 100) < 6000

        assert not hundredths(r.message())
        worker.apply(edited(before, "Camera.source.simulatePulseId", True))
        r.until(hundredths)


def test_a_running_camera_begins_to_call_its_silent_source_down(tmp_path: Path) -> None:
    silent = {"bsread": {"address": f"tcp://127.0.0.1:{free_port()}"}, "timeoutSeconds": 0}
    before = camera(silent)
    with live_worker(tmp_path, before) as worker:
        worker.wait_for("open source", lambda runner: runner.state.source)
        worker.apply(edited(before, "Camera.source.timeoutSeconds", 1))
        worker.wait_for("it is told", lambda runner: "nothing for 1 s from" in runner.state.input_message)


# ------------------------------------------------------------------ pipelines


SPOTS = BeamSimulation(SimulationSource(width=64, height=48, dead_pixels=3))
IMAGES = [SPOTS.image(index) for index in (0, 60, 120)]
FIRST, SECOND = (1, 2, 3), (11, 12, 13)
"""Pulses before the edit, and after it."""


def frames(pulses: Sequence[int]) -> list[Frame]:
    """What the feed sends, as the worker takes it in."""
    x_axis, y_axis = np.arange(64, dtype=np.float32), np.arange(48, dtype=np.float32)
    return [
        Frame(pulse, Timestamp(1_700_000_000, pulse), image, x_axis, y_axis, {"charge": pulse})
        for pulse, image in zip(pulses, IMAGES, strict=True)
    ]


@pytest.fixture
def feed() -> Iterator[Feed]:
    found = Feed()
    yield found
    found.close()


def lossless(feed: Feed, **spec: Any) -> Document:
    """A pipeline of which every message is waited for."""
    return pipeline(feed.address, input={"mode": "Pull", "backlog": "All"}, output={"mode": "Push"}, **spec)


@contextmanager
def running(folder: Path, config: Document) -> Iterator[tuple[LiveWorker, Reader]]:
    with live_worker(folder, config) as worker, reader(worker.runner.address, zmq.PULL) as r:
        yield worker, r


def results(feed: Feed, worker: LiveWorker, r: Reader, pulses: Sequence[int], count: int) -> list[dict[str, Any]]:
    """Send frames, and see all that comes of them.

    :param count: of messages
    """
    counters = worker.runner.counters
    done, sent = counters.processed + counters.failed, counters.sent
    for frame in frames(pulses):
        feed.send(frame.pulse_id, frame.image, **frame.channels)
    found = [{"pulse_id": message.pulse_id} | message.values for message in r.messages(count)]
    worker.wait_for("all frames", lambda _: counters.processed + counters.failed == done + len(pulses))
    worker.wait_for("no other message", lambda _: counters.sent == sent + count)
    return found


@pytest.mark.parametrize("path", OF_PIPELINES)
def test_edit_of_a_running_pipeline_makes_its_stream_that_of_one_started_with_it(tmp_path: Path, feed: Feed, path: str) -> None:
    edit = OF_PIPELINES[path]
    asks = edit.around.get("processing", {}).get("background", {}).get("name")
    before = with_background(lossless(feed, **edit.around), tmp_path, asks)
    after = edited(before, f"Pipeline.{path}", edit.after)
    if path.endswith("background.name"):
        after = with_background(after, tmp_path, edit.after)
    with running(tmp_path, before) as (worker, r):
        wanted = values_of(worker.config, frames(FIRST))
        assert same(results(feed, worker, r, FIRST, len(wanted)), wanted)
        old = values_of(worker.config, frames(SECOND))
        worker.apply(after)
        wanted = values_of(worker.config, frames(SECOND))
        assert not same(wanted, old)
        assert same(results(feed, worker, r, SECOND, len(wanted)), wanted)


@dataclass(frozen=True)
class Chosen:
    """An edit that the pulse ids of the stream show."""

    after: Any
    comes: tuple[int, ...]
    """Pulse ids that are sent after the edit."""
    drops: dict[str, int] = field(default_factory=dict)
    """Frames that are not, by reason."""
    sent: tuple[int, ...] = SECOND
    """Pulse ids after the edit; those before it have the same order."""
    ends: str = ""
    """Why the stream is complete."""
    around: Document = field(default_factory=dict)
    """Of the selection, before."""
    ns: int | None = None
    """Of every frame."""


TURNED = (11, 13, 12)
CHOSEN: dict[str, Chosen] = {
    "pause": Chosen(True, (), {"paused": 3}),
    "pulseIds.first": Chosen(12, (12, 13), {"before_range": 1}, around={"pulseIds": {"first": 1}}),
    "pulseIds.last": Chosen(12, (11, 12), ends="pulse 13 is behind the last one asked for, 12", around={"pulseIds": {"first": 1}}),
    # The three before were counted.
    "downsampling": Chosen(2, (12,), {"downsampling": 2}),
    "maxFrameRate": Chosen(NEVER_HZ, (11,), {"max_frame_rate": 2}),
    "records": Chosen(5, (11, 12), ends="all 5 records have been sent"),
    "requireIncreasingPulseId": Chosen(True, (11, 13), {"old_pulse_id": 1}, TURNED),
    "requireIncreasingTimestamp": Chosen(True, (11, 13), {"old_timestamp": 1}, TURNED),
    "requirePulseIdInTimestamp": Chosen(True, (12,), {"pulse_id_not_in_timestamp": 2}, ns=12),
}


@pytest.mark.parametrize("path", CHOSEN)
def test_edit_of_the_selection_chooses_other_frames_of_a_running_stream(tmp_path: Path, feed: Feed, path: str) -> None:
    edit = CHOSEN[path]
    before = lossless(feed, selection=edit.around)
    with running(tmp_path, before) as (worker, r):
        early = [pulse - SECOND[0] + FIRST[0] for pulse in edit.sent]
        for pulse in early:
            feed.send(pulse, ns=edit.ns)
        assert [message.pulse_id for message in r.messages(3)] == early
        worker.apply(edited(before, f"Pipeline.selection.{path}", edit.after))
        for pulse in edit.sent:
            feed.send(pulse, ns=edit.ns)
        assert tuple(message.pulse_id for message in r.messages(len(edit.comes))) == edit.comes
        if edit.ends:
            worker.wait_for("end", lambda runner: runner.finished.is_set())
        worker.wait_for_drops(**edit.drops)
        # A frame is counted after it has left.
        worker.wait_for("so many are sent", lambda runner: runner.counters.sent == 3 + len(edit.comes))
        assert worker.runner.state.ended == edit.ends


def test_a_running_pipeline_begins_to_call_its_silent_input_down_and_then_to_end_with_it(tmp_path: Path, feed: Feed) -> None:
    """input.timeoutSeconds, and failure.abortOnTimeout."""
    before = edited(lossless(feed), "Pipeline.input.timeoutSeconds", 0)
    with live_worker(tmp_path, before) as worker:
        worker.wait_for("open input", lambda runner: runner.state.source)
        told = edited(before, "Pipeline.input.timeoutSeconds", 1)
        worker.apply(told)
        worker.wait_for("it is told", lambda runner: "nothing for 1 s from" in runner.state.input_message)
        assert worker.runner.failure is None
        worker.apply(edited(told, "Pipeline.failure.abortOnTimeout", True))
        worker.wait_for("it ends", lambda runner: runner.finished.is_set())
        assert "aborted, as failure.abortOnTimeout asks: nothing for 1 s" in str(worker.runner.failure)


FAILS = """
def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    if pulse_id % 10 == 2:
        raise ValueError("pulse of a bad day")
    return {"pulse": pulse_id}
"""


def test_a_running_pipeline_begins_to_end_with_a_frame_that_fails(tmp_path: Path, feed: Feed) -> None:
    before = lossless(feed, script={"source": FAILS})
    with running(tmp_path, before) as (worker, r):
        results(feed, worker, r, FIRST, 2)
        assert worker.runner.failure is None
        worker.apply(edited(before, "Pipeline.failure.abortOnError", True))
        for pulse in SECOND:
            feed.send(pulse)
        worker.wait_for("it ends", lambda runner: runner.finished.is_set())
    assert "aborted, as failure.abortOnError asks, at pulse 12" in str(worker.runner.failure)


WAITS = """
import fcntl

def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    with open(parameters["lock"], "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
    return {"pulse": pulse_id}
"""


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """As long as this goes on, the script waits."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_running_pipeline_begins_to_prefer_new_frames(tmp_path: Path, feed: Feed) -> None:
    lock = tmp_path / "lock"
    before = lossless(feed, script={"source": WAITS, "parameters": {"lock": str(lock)}})
    before["pipeline"]["input"]["queueSize"] = 2
    with running(tmp_path, before) as (worker, _), held(lock):
        counters = worker.runner.counters
        for pulse in range(1, 51):
            feed.send(pulse)
        # One is in the script, two are in the queue, and the next one waits for room.
        worker.wait_for("full queue", lambda _: counters.received == 4)
        assert not counters.input_drops
        worker.apply(edited(before, "Pipeline.input.backlog", "Newest"))
        worker.wait_for("all the others", lambda _: counters.received == 50)
        # All but the one in the script, and one or two that wait.
        worker.wait_for("drops", lambda _: counters.input_drops["queue_full"] >= 47)


def test_a_running_script_gets_a_limit_and_its_worker_ends_with_the_reason(tmp_path: Path, feed: Feed) -> None:
    """The whole worker: it is the one that looks at the clock."""
    lock = tmp_path / "lock"
    config = lossless(feed, script={"source": WAITS, "parameters": {"lock": str(lock)}, "timeoutSeconds": 0})
    with worker_process(tmp_path, config) as process, reader(process.address, zmq.PULL) as r:
        feed.send(1)
        r.message()
        with held(lock):
            feed.send(2)
            process.wait_for_status("the frame is there", lambda status: status["frames"]["received"] == 2)
            process.write(edited(config, "Pipeline.script.timeoutSeconds", 1))
            assert process.process.wait(20) == 1
        assert "has not returned for 1 s at pulse 2 (script.timeoutSeconds)" in process.termination.read_text()


def test_a_running_fan_in_begins_to_put_pulses_in_order(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    before = pipeline(address, type="FanIn", output={"mode": "Push"}) | {"inputAddress": None, "gatherAddress": address}
    del before["pipeline"]["input"]
    feed = Feed(connect=address)
    try:
        with running(tmp_path, before) as (worker, r):
            for pulse in (3, 2, 1):
                feed.send(pulse)
            assert [message.pulse_id for message in r.messages(3)] == [3, 2, 1]
            worker.apply(edited(before, "Pipeline.reorder", 2))
            # It may be about to take a message as before: this one is the first in any case.
            feed.send(10)
            assert r.message().pulse_id == 10
            for pulse in (13, 12, 11):
                feed.send(pulse)
            assert [message.pulse_id for message in r.messages(3)] == [11, 12, 13]
    finally:
        feed.close()


# ------------------------------------------------------------------ told only


@pytest.mark.parametrize("path", TOLD)
def test_edit_that_is_only_told_is_taken_over_and_changes_nothing_in_the_stream(tmp_path: Path, feed: Feed, path: str) -> None:
    value, around = TOLD[path]
    if path.startswith("Camera"):
        before = camera(simulation(64, 48, 50, **STATIC), **around)
        with live_worker(tmp_path, before) as worker, reader(worker.runner.address) as r:
            worker.apply(edited(before, path, value))
            since = r.message().pulse_id
            assert same([r.until(lambda message: message.pulse_id > since + 2).values], [image_of(before)])
        return
    before = lossless(feed, **around)
    with running(tmp_path, before) as (worker, r):
        wanted = values_of(worker.config, frames(FIRST))
        worker.apply(edited(before, path, value))
        assert same(results(feed, worker, r, FIRST, 3), wanted)


ALONE = {
    *(f"Camera.source.{name}" for name in ("simulation.frameRate", "hdf5.frameRate", "hdf5.speed")),
    *(f"Camera.source.{name}" for name in ("maxFrameRate", "simulatePulseId", "timeoutSeconds")),
    *(f"Pipeline.failure.{name}" for name in ("abortOnTimeout", "abortOnError")),
    *(f"Pipeline.{name}" for name in ("input.timeoutSeconds", "input.backlog", "script.timeoutSeconds", "reorder")),
}
"""Fields with a test of their own."""


def test_every_live_field_is_seen_in_a_running_worker() -> None:
    tested = [f"Camera.{path}" for path in OF_CAMERAS] + [f"Pipeline.{path}" for path in OF_PIPELINES]
    tested += [f"Pipeline.selection.{path}" for path in CHOSEN] + list(TOLD) + list(ALONE)
    live = sorted(str(edit) for edit in every_edit() if edit.change is Change.LIVE)
    assert sorted(tested) == live
