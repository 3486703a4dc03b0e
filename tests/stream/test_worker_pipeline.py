"""A pipeline worker as a process, behind a real camera worker or a sender of ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bsread
import numpy as np
import pytest
import zmq
from feeds import Feed
from workers import WorkerProcess, camera, pipeline, reader, simulation, store_background, worker

from camstream.spec import WorkerConfig
from camstream.spec.source import SimulationSource
from camstream_worker.sources.simulation import BeamSimulation

DEFAULT = [
    "x_axis",
    "y_axis",
    "image",
    "width",
    "height",
    "processing_parameters",
    "timestamp",
    "min_value",
    "max_value",
    "x_profile",
    "y_profile",
    "intensity",
    "x_fwhm",
    "y_fwhm",
    "x_center_of_mass",
    "x_rms",
    "y_center_of_mass",
    "y_rms",
    "x_fit_gauss_function",
    "x_fit_offset",
    "x_fit_amplitude",
    "x_fit_standard_deviation",
    "x_fit_mean",
    "y_fit_gauss_function",
    "y_fit_offset",
    "y_fit_amplitude",
    "y_fit_standard_deviation",
    "y_fit_mean",
]


@contextmanager
def chain(folder: Path, source: dict[str, Any] | None = None, **spec: Any) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    """A simulated camera and a pipeline that reads it."""
    with worker(folder, camera(source or simulation(160, 120, 50))) as cam, worker(folder, pipeline(cam.address, **spec)) as pipe:
        yield cam, pipe


@pytest.fixture
def feed() -> Iterator[Feed]:
    found = Feed()
    yield found
    found.close()


LOSSLESS = {"mode": "Pull", "backlog": "All"}


def test_the_default_analysis_has_all_channels_of_cam_server_in_order_for_a_plain_psi_bsread_client(tmp_path: Path):
    with chain(tmp_path) as (_, pipe):
        pipe.wait_for_status("running", lambda s: s["phase"] == "Running")
        host, port = pipe.address.removeprefix("tcp://").split(":")
        with bsread.Source(host=host, port=int(port), mode=bsread.SUB, receive_timeout=5000) as stream:
            message = stream.receive()
    values = {name: channel.value for name, channel in message.data.data.items()}
    assert [name for name in values if name in DEFAULT] == DEFAULT
    assert values["image"].shape == (120, 160)
    assert values["image"].dtype == np.uint16
    assert values["x_fit_converged"]
    assert values["intensity"] == values["image"].sum()


def test_the_fit_follows_the_simulated_beam(tmp_path: Path):
    source = simulation(160, 120, 50, noise=0.002, deadPixels=0)
    truth = BeamSimulation(SimulationSource(width=160, height=120, noise=0.002, dead_pixels=0))
    orbit = np.array([truth.centre(i) for i in range(200)])
    with chain(tmp_path, source) as (_, pipe), reader(pipe.address) as r:
        found = np.array([(m.values["x_fit_mean"], m.values["y_fit_mean"]) for m in r.messages(30)])
    distance = np.abs(found[:, None, :] - orbit[None, :, :]).max(axis=2).min(axis=1)
    assert distance.max() < 0.05
    assert np.ptp(found, axis=0).min() > 1, "the beam does not move"


def test_every_message_carries_the_whole_effective_configuration_and_the_background(tmp_path: Path):
    stored = store_background(tmp_path, "CAM_20261121_120000_000000", np.full((120, 160), 7, np.uint16))
    with worker(tmp_path, camera(simulation(160, 120))) as cam:
        config = pipeline(cam.address, background=stored, processing={"background": {}, "threshold": 3})
        with worker(tmp_path, config) as pipe, reader(pipe.address) as r:
            parameters = json.loads(r.message().values["processing_parameters"])
            # It answers a little later than it sends.
            status = pipe.wait_for_status("an answer", lambda found: found["config"])
    assert parameters["background"] == {"name": stored["name"], "sha256": stored["sha256"]}
    assert parameters["processing"]["threshold"] == 3
    assert parameters["processing"]["function"] == "Default"
    assert parameters["output"]["queueSize"] == 10
    assert parameters["camera"] == "CAM"
    assert parameters["configHash"] == status["config"]["appliedHash"]


def test_a_live_change_takes_effect_at_a_frame_boundary_and_loses_no_frame(tmp_path: Path, feed: Feed):
    config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"})
    image = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16)
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        for pulse_id in range(1, 51):
            feed.send(pulse_id, image)
        assert [m.pulse_id for m in r.messages(50)] == list(range(1, 51))
        config["pipeline"]["processing"] = {"threshold": 100}
        pid = pipe.apply(config)["pid"]
        for pulse_id in range(51, 101):
            feed.send(pulse_id, image)
        messages = r.messages(50)
        assert pipe.process.pid == pid
    assert [m.pulse_id for m in messages] == list(range(51, 101))
    assert all(m.values["image"].min() == 0 and m.values["image"][image >= 100].min() >= 100 for m in messages)
    assert all(json.loads(m.values["processing_parameters"])["processing"]["threshold"] == 100 for m in messages)


@pytest.mark.parametrize("threads", [1, 3])
def test_lossless_means_every_frame_once_and_in_order(tmp_path: Path, feed: Feed, threads: int):
    config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"}, threads=threads)
    rng = np.random.default_rng(0)
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        for pulse_id in range(1, 301):
            # Images of very different size: a small one would overtake a large one if it could.
            size = 400 if pulse_id % 7 == 0 else 20
            feed.send(pulse_id, rng.integers(0, 99, (size, size), np.uint16))
        messages = r.messages(300)
        status = pipe.status()
    assert [m.pulse_id for m in messages] == list(range(1, 301))
    assert status["frames"]["dropped"] == {}


def test_an_overloaded_pipeline_shows_the_newest_frame_and_counts_the_others(tmp_path: Path):
    feed = Feed(zmq.PUB)
    config = pipeline(feed.address, output={"mode": "Push"})
    try:
        with worker(tmp_path, config) as pipe:
            sent = 0

            def fed(status: dict[str, Any]) -> bool:
                nonlocal sent
                sent += 1
                feed.send(sent)
                return bool(status["frames"]["received"])

            # Nobody takes the output: processing stands still after the first frame.
            pipe.wait_for_status("connected", fed)
            for _ in range(200):
                sent += 1
                feed.send(sent)
            pipe.wait_for_status("all received", lambda s: s["frames"]["dropped"].get("input/queue_full", 0) > 150)
            with reader(pipe.address, zmq.PULL) as r:
                pulses = [r.message().pulse_id]
                while pulses[-1] < sent:
                    pulses.append(r.message().pulse_id)
                status = pipe.wait_for_status("counted", lambda s: s["frames"]["sent"] == len(pulses))
            counts = status["frames"]
    finally:
        feed.close()
    # One frame was being sent; of the others only those that found room after the last overflow are left.
    assert len(pulses) <= 2 + 4
    assert pulses == sorted(pulses)
    assert counts["received"] == counts["sent"] + counts["dropped"]["input/queue_full"]


def test_a_lossless_pipeline_that_stood_still_for_seconds_goes_on(tmp_path: Path):
    # With ZMTP heartbeats libzmq takes the camera for dead after 4 s of this, and aborts when the queue moves again.
    source = camera(simulation(400, 300, 100), output={"mode": "Push"})
    config = pipeline(source["streamAddress"], input=LOSSLESS, output={"mode": "Push"})
    with worker(tmp_path, source) as cam, worker(tmp_path, config) as pipe:
        still = cam.wait_for_status("the camera waits", lambda s: s["frames"]["sent"] and s["sendRate"] == 0, 30)
        with reader(pipe.address, zmq.PULL) as r:
            messages = r.messages(still["frames"]["sent"] + 20)
        assert pipe.process.poll() is None
    pulses = [m.pulse_id for m in messages]
    assert pulses == sorted(pulses)


def test_a_stuck_client_does_not_stop_another(tmp_path: Path):
    with chain(tmp_path, simulation(400, 300, 50)) as (_, pipe), reader(pipe.address, hwm=1) as stuck, reader(pipe.address) as good:
        stuck.message()
        # 240 kB each: more than the stuck client, its queue and the sockets between can hold.
        pulses = [m.pulse_id for m in good.messages(200)]
        pipe.wait_for_status("the overflow is counted", lambda s: s["frames"]["dropped"].get("output/slow_client"))
        pulses += [m.pulse_id for m in good.messages(50)]
    assert pulses == sorted(set(pulses))


def test_a_pipeline_reads_a_pipeline(tmp_path: Path):
    with chain(tmp_path, processing={"function": "Transparent", "threshold": 10_000}) as (_, first):
        config = pipeline(
            first.address, "second", processing={"regionOfInterest": {"offsetX": 10, "sizeX": 50, "offsetY": 20, "sizeY": 40}}
        )
        with worker(tmp_path, config) as second, reader(second.address) as r:
            values = r.message().values
    assert values["image"].shape == (40, 50)
    assert values["x_axis"][0] == 10
    assert not ((values["image"] > 0) & (values["image"] < 10_000)).any()


def test_channels_are_chosen_and_ordered_as_asked(tmp_path: Path):
    with chain(tmp_path, selection={"include": ["y_fit_mean", "x_fit_mean", "image"], "exclude": ["image"]}) as (_, pipe):
        with reader(pipe.address) as r:
            message = r.message()
        status = pipe.wait_for_status("size is known without the image in the stream", lambda s: s["image"]["width"] == 160)
    assert list(message.values) == ["y_fit_mean", "x_fit_mean"]
    assert status["frames"]["sent"] > 0


def test_records_end_the_pipeline(tmp_path: Path, feed: Feed):
    config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"}, selection={"records": 3})
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        for pulse_id in range(1, 10):
            feed.send(pulse_id)
        assert [m.pulse_id for m in r.messages(3)] == [1, 2, 3]
        assert pipe.process.wait(5) == 0
        assert "all 3 records" in json.loads(pipe.termination.read_text())["message"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_range_of_pulses_ends_the_pipeline(tmp_path: Path, feed: Feed, threads: int):
    selection = {"pulseIds": {"first": 4, "last": 6}}
    config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"}, selection=selection, threads=threads)
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        for pulse_id in range(1, 10):
            feed.send(pulse_id)
        assert [m.pulse_id for m in r.messages(3)] == [4, 5, 6]
        assert pipe.process.wait(5) == 0


def test_pausing_and_downsampling_are_live_and_counted(tmp_path: Path, feed: Feed):
    config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"}, selection={"downsampling": 3})
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        for pulse_id in range(1, 10):
            feed.send(pulse_id)
        assert [m.pulse_id for m in r.messages(3)] == [1, 4, 7]
        config["pipeline"]["selection"] = {"pause": True}
        pipe.apply(config)
        for pulse_id in range(10, 15):
            feed.send(pulse_id)
        status = pipe.wait_for_status("paused", lambda s: s["frames"]["dropped"].get("selection/paused") == 5)
        assert (status["phase"], status["message"]) == ("Waiting", "paused: selection.pause drops every frame")
        config["pipeline"]["selection"] = {}
        pipe.apply(config)
        feed.send(20)
        assert r.message().pulse_id == 20


AXES = {"x_axis": np.arange(16, dtype=np.float32), "y_axis": np.arange(12, dtype=np.float32)}
IMAGE = np.zeros((12, 16), np.uint16)
BAD_FRAMES = {
    "no image": {"other": 1.0},
    "text as image": {"image": "hello"},
    "axis of wrong length": {"image": IMAGE, "x_axis": np.arange(3, dtype=np.float32)},
    "no axis": {"image": IMAGE, "y_axis": None},
    "cube": {"image": np.zeros((2, 12, 16), np.uint16)},
}


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_a_frame_that_cannot_be_used_is_counted_and_the_next_one_is_processed(tmp_path: Path, feed: Feed, bad: dict[str, Any]):
    config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"})
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        feed.send(1)
        feed.send_channels(2, AXES | bad)
        feed.send(3)
        assert [m.pulse_id for m in r.messages(2)] == [1, 3]
        status = pipe.wait_for_status("counted", lambda s: s["frames"]["failed"] + sum(s["frames"]["dropped"].values()) == 1)
        assert status["lastError"]
        assert "Traceback" not in pipe.log.read_text()


@pytest.mark.parametrize("kind", ["nan", "inf", "constant", "single pixel", "1x1", "float32", "bool"])
def test_degenerate_images_give_a_message_and_no_error(tmp_path: Path, feed: Feed, kind: str):
    image: np.ndarray[Any, Any] = np.zeros((12, 16), np.float32 if kind in ("nan", "inf", "float32") else np.uint16)
    if kind in ("nan", "inf"):
        image[3, 4] = np.nan if kind == "nan" else np.inf
    elif kind == "single pixel":
        image[3, 4] = 100
    elif kind == "1x1":
        image = image[:1, :1]
    elif kind == "bool":
        image = image.astype(bool)
    config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"}, processing={"goodRegion": {}, "slices": {"count": 3}})
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        feed.send(1, image)
        values = r.message().values
        assert values["width"] == image.shape[1]
        assert not values["x_fit_converged"] or kind == "float32"
        status = pipe.wait_for_status("told", lambda s: s["frames"]["sent"] == 1)
        assert status["frames"]["failed"] == 0


def test_a_background_of_the_wrong_shape_fails_frame_by_frame_with_a_message_that_helps(tmp_path: Path, feed: Feed):
    stored = store_background(tmp_path, "bg", np.ones((6, 8), np.uint16))
    config = pipeline(feed.address, background=stored, input=LOSSLESS, output={"mode": "Push"}, processing={"background": {"name": "bg"}})
    with worker(tmp_path, config) as pipe:
        feed.send(1)
        status = pipe.wait_for_status("told", lambda s: s["frames"]["failed"] == 1)
    assert "background 'bg' has shape (6, 8)" in status["lastError"]
    assert "(12, 16)" in status["lastError"]


def test_notify_on_error_sends_a_reduced_message_with_the_reason(tmp_path: Path, feed: Feed):
    config = pipeline(
        feed.address, input=LOSSLESS, output={"mode": "Push"}, processing={"background": {"name": "gone"}}, failure={"notifyOnError": True}
    )
    with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
        feed.send(1)
        values = r.message().values
        pipe.wait_for_status("told", lambda s: "there is no background 'gone'" in s["message"])
    assert "gone" in json.loads(values["processing_parameters"])["processing_error"]
    assert not values["image"].any()


@pytest.mark.parametrize("threads", [1, 2])
def test_abort_on_error_ends_the_worker_with_the_reason(tmp_path: Path, feed: Feed, threads: int):
    config = pipeline(
        feed.address, input=LOSSLESS, threads=threads, processing={"background": {"name": "gone"}}, failure={"abortOnError": True}
    )
    with worker(tmp_path, config) as pipe:
        feed.send(1)
        assert pipe.process.wait(10) == 1
        assert "abortOnError" in json.loads(pipe.termination.read_text())["message"]


BROKEN: dict[str, Any] = {
    "input": LOSSLESS,
    "script": {"source": "def process_image(*_):\n    raise ValueError('no beam')\n"},
    "failure": {"abortOnError": True},
}
PRIVATE: dict[str, Any] = {"lifecycle": {"mode": "OnDemand", "deleteWhenIdle": True}}
STAY = ("--stay-when-completed",)


@pytest.mark.parametrize("threads", [1, 2])
def test_private_worker_whose_script_fails_stays_to_tell_so_and_ends_when_it_is_edited(tmp_path: Path, feed: Feed, threads: int):
    config = pipeline(feed.address, threads=threads, **BROKEN, **PRIVATE)
    with worker(tmp_path, config, arguments=STAY) as pipe:
        feed.send(1)
        told = pipe.wait_for_status("ended", lambda s: s["exit"] is not None)
        assert (told["phase"], told["exit"]["reason"], told["exit"]["exitCode"]) == ("Failed", "ScriptError", 1)
        assert "<script pipe>:2: ValueError: no beam" in told["exit"]["message"]
        assert told["config"]["appliedHash"] == WorkerConfig.model_validate(config).digest()
        # The kubelet starts anew what is not alive, and sends clients to what is ready.
        assert (pipe.get("/healthz")[0], pipe.get("/readyz")[0]) == (200, 503)
        pipe.write(config | {"pipeline": config["pipeline"] | {"failure": {}}})
        assert pipe.process.wait(10) == 0
        assert not pipe.termination.exists()


def test_private_worker_whose_script_does_not_return_stays_to_tell_so(tmp_path: Path, feed: Feed):
    script = {"source": "import time\n\ndef process_image(*_):\n    time.sleep(1000)\n", "timeoutSeconds": 1}
    with worker(tmp_path, pipeline(feed.address, input=LOSSLESS, script=script, **PRIVATE), arguments=STAY) as pipe:
        feed.send(1)
        told = pipe.wait_for_status("ended", lambda s: s["exit"] is not None)
        assert told["exit"]["reason"] == "ScriptTimeout"
        assert "started anew" not in told["exit"]["message"]


@pytest.mark.parametrize("threads", [1, 2])
def test_worker_of_everybody_whose_script_fails_ends_to_be_started_again(tmp_path: Path, feed: Feed, threads: int):
    with worker(tmp_path, pipeline(feed.address, threads=threads, **BROKEN), arguments=STAY) as pipe:
        feed.send(1)
        assert pipe.process.wait(10) == 1
        assert json.loads(pipe.termination.read_text())["reason"] == "ScriptError"


def test_worker_that_is_complete_stays_to_tell_so_and_ends_when_it_is_edited(tmp_path: Path, feed: Feed):
    config = pipeline(feed.address, input=LOSSLESS, selection={"records": 1}, output={"mode": "Push"})
    with worker(tmp_path, config, arguments=STAY) as pipe, reader(pipe.address, zmq.PULL) as r:
        feed.send(1)
        assert r.message().pulse_id == 1
        told = pipe.wait_for_status("ended", lambda s: s["exit"] is not None)
        assert (told["phase"], told["exit"]["reason"], told["exit"]["exitCode"]) == ("Completed", "Completed", 0)
        pipe.write(config | {"pipeline": config["pipeline"] | {"selection": {"records": 2}}})
        assert pipe.process.wait(10) == 0
        assert not pipe.termination.exists()


def test_abort_on_timeout_ends_the_worker_with_the_reason(tmp_path: Path, feed: Feed):
    config = pipeline(feed.address, input=LOSSLESS | {"timeoutSeconds": 1}, failure={"abortOnTimeout": True})
    with worker(tmp_path, config) as pipe:
        assert pipe.process.wait(10) == 1
        assert "abortOnTimeout" in json.loads(pipe.termination.read_text())["message"]


def test_a_pipeline_outlives_its_camera_and_finds_it_again(tmp_path: Path):
    config = camera(simulation())
    with worker(tmp_path, config) as cam, worker(tmp_path, pipeline(cam.address, input={"timeoutSeconds": 1})) as pipe:
        pipe.wait_for_status("running", lambda s: s["phase"] == "Running")
        cam.kill()
        status = pipe.wait_for_status("waiting", lambda s: s["phase"] == "Waiting")
        assert cam.address in status["input"]["message"]
        with worker(tmp_path, config):
            pipe.wait_for_status("running again", lambda s: s["phase"] == "Running")


def test_the_input_may_move_to_another_address_live(tmp_path: Path, feed: Feed):
    other = Feed()
    try:
        config = pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"})
        with worker(tmp_path, config) as pipe, reader(pipe.address, zmq.PULL) as r:
            feed.send(1)
            assert r.message().pulse_id == 1
            pipe.apply(config | {"inputAddress": other.address})
            other.send(7)
            assert r.message().pulse_id == 7
    finally:
        other.close()


def test_a_pipeline_that_waits_stops_at_once(tmp_path: Path, feed: Feed):
    with worker(tmp_path, pipeline(feed.address, input=LOSSLESS, output={"mode": "Push"})) as pipe:
        for pulse_id in range(20):
            feed.send(pulse_id + 1)
        pipe.wait_for_status("blocked", lambda s: s["frames"]["processed"] >= 1)
        assert pipe.stop(timeout_s=4) == 0
