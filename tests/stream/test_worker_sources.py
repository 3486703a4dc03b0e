"""Camera workers with real sources: a soft IOC, a recorded file, a stream of psi-bsread."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zmq
from bsread import PUB, PUSH, Sender
from ioc import soft_ioc, tell
from ports import free_port
from workers import camera, reader, worker

# ------------------------------------------------------------------ EPICS


def epics(**more: Any) -> dict[str, Any]:
    return {"epics": {"prefix": "TEST-CAM", **more}}


def counter(message: Any) -> int:
    return int(message.values["image"][0, 0])


def test_an_epics_camera_delivers_every_image_of_the_ioc(tmp_path: Path):
    with soft_ioc("TEST-CAM", 40, 30), worker(tmp_path, camera(epics())) as w, reader(w.address) as r:
        r.message()
        messages = r.messages(20)
    counts = [counter(m) for m in messages]
    assert counts == list(range(counts[0], counts[0] + 20))
    image = messages[0].values["image"]
    assert image.shape == (30, 40)
    assert np.array_equal(image.ravel()[1:], np.arange(1, 1200) % 1000)
    assert [m.pulse_id for m in messages] == list(range(messages[0].pulse_id, messages[0].pulse_id + 20))
    assert abs(messages[-1].timestamp.seconds() - messages[-1].values["timestamp"]) < 1e-6


def test_an_epics_camera_comes_back_within_five_seconds_of_its_ioc(tmp_path: Path):
    with worker(tmp_path, camera(epics() | {"timeoutSeconds": 2})) as w:
        with soft_ioc("TEST-CAM", 40, 30), reader(w.address) as r:
            r.message()
        status = w.wait_for_status("the loss is told", lambda s: s["phase"] == "Waiting" and not s["input"]["connected"])
        assert "TEST-CAM" in status["input"]["message"]
        with soft_ioc("TEST-CAM", 40, 30), reader(w.address) as r:
            r.message(timeout_s=5)
            w.wait_for_status("running again", lambda s: s["phase"] == "Running")


def test_a_camera_without_its_ioc_says_which_channel_it_misses(tmp_path: Path):
    with worker(tmp_path, camera(epics(prefix="NOT-THERE"))) as w:
        status = w.wait_for_status("told", lambda s: "no IOC answers" in s["input"]["message"])
        assert "NOT-THERE:FPICTURE" in status["input"]["message"]
        assert w.get("/readyz")[0] == 200


def test_a_new_size_of_an_epics_camera_is_announced_by_a_new_header(tmp_path: Path):
    with soft_ioc("TEST-CAM", 40, 30) as ioc, worker(tmp_path, camera(epics())) as w, reader(w.address) as r:
        assert r.message().values["image"].shape == (30, 40)
        tell(ioc, "size 20 10")
        message = r.until(lambda m: m.values["image"].shape == (10, 20))
        assert message.values["x_axis"].shape == (20,)


def test_a_waveform_shorter_than_the_image_is_dropped_and_counted_and_a_longer_one_is_cut(tmp_path: Path):
    with soft_ioc("TEST-CAM", 40, 30) as ioc, worker(tmp_path, camera(epics())) as w, reader(w.address) as r:
        r.message()
        tell(ioc, "pixels 1000")
        status = w.wait_for_status("counted", lambda s: s["frames"]["dropped"].get("source/short_waveform", 0) > 2)
        assert "1000 values for 40x30 pixels" in status["lastError"]
        sent = status["frames"]["sent"]
        tell(ioc, "pixels 2000")
        w.wait_for_status("goes on", lambda s: s["frames"]["sent"] > sent + 2)
        assert r.message().values["image"].shape == (30, 40)


def test_a_camera_that_is_not_initialised_waits_until_it_is(tmp_path: Path):
    with soft_ioc("TEST-CAM", 40, 30, init="OFF") as ioc, worker(tmp_path, camera(epics())) as w:
        status = w.wait_for_status("told", lambda s: "not initialised" in s["input"]["message"] + s["lastError"])
        assert status["frames"]["sent"] == 0
        tell(ioc, "init INIT")
        w.wait_for_status("running", lambda s: s["phase"] == "Running")


# ------------------------------------------------------------------ HDF5


def recording(path: Path, count: int = 12, layout: str = "BSH5", rate: float = 50) -> np.ndarray[Any, Any]:
    """A file as cam_server writes it (cam_server.md 5.4)."""
    images = np.arange(count * 6 * 8, dtype=np.uint16).reshape(count, 6, 8)
    pulses = np.arange(1000, 1000 + 3 * count, 3, dtype=np.uint64)
    ns = (np.arange(count) * 1e9 / rate).astype(np.uint64)
    times = np.stack([1_700_000_000 + ns // 1_000_000_000, ns % 1_000_000_000], axis=1)
    value, header = {"BSH5": ("cam/data", ""), "DEFAULT": ("data1/cam/value", "header1/"), "FLAT": ("data1/cam", "header1/")}[layout]
    with h5py.File(path, "w") as file:
        file[value] = images
        file[header + "pulse_id"] = pulses
        file[header + "global_timestamp"] = times
    return images


@pytest.mark.parametrize(("layout", "dataset"), [("BSH5", "/cam/data"), ("DEFAULT", "data1/cam/value"), ("FLAT", "/data1/cam")])
def test_a_recording_is_replayed_whole_with_its_pulse_ids_and_at_its_rate(tmp_path: Path, layout: str, dataset: str):
    images = recording(tmp_path / "r.h5", layout=layout)
    config = camera({"hdf5": {"path": str(tmp_path / "r.h5"), "dataset": dataset, "loop": False}}, output={"mode": "Push"})
    with worker(tmp_path, config) as w, reader(w.address, zmq.PULL) as r:
        messages = r.messages(12)
        assert w.process.wait(5) == 0
        assert json.loads(w.termination.read_text())["reason"] == "Completed"
    assert np.array_equal(np.stack([m.values["image"] for m in messages]), images)
    assert [m.pulse_id for m in messages] == list(range(1000, 1036, 3))
    seconds = messages[-1].timestamp.seconds() - messages[0].timestamp.seconds()
    # A late first frame makes the rest come sooner; without pacing all of them would come within a few milliseconds.
    assert 11 / seconds < 2 * 50, "faster than it was recorded"


def test_a_replay_goes_round_with_pulse_ids_that_keep_rising_and_can_be_faster(tmp_path: Path):
    recording(tmp_path / "r.h5", rate=10)
    config = camera({"hdf5": {"path": str(tmp_path / "r.h5"), "dataset": "/cam/data", "speed": 20}})
    with worker(tmp_path, config) as w, reader(w.address) as r:
        r.message()
        messages = r.messages(40)
    pulses = [m.pulse_id for m in messages]
    assert pulses == sorted(set(pulses))
    rate = 39 / (messages[-1].timestamp.seconds() - messages[0].timestamp.seconds())
    assert 10 * 1.1 < rate < 2 * 10 * 20, "neither the recorded 10 Hz nor without a pace"


@pytest.mark.parametrize(
    ("content", "dataset", "message"),
    [
        (None, "/x", "cannot open"),
        ("text", "/x", "cannot open"),
        ("file", "/x", "has no dataset '/x'; there are: /cam/data"),
        ("file", "/pulse_id", "expected numbers with shape (n, y, x)"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_named_and_tried_again(tmp_path: Path, content: str | None, dataset: str, message: str):
    path = tmp_path / "r.h5"
    if content == "text":
        path.write_text("no HDF5")
    elif content == "file":
        recording(path)
    with worker(tmp_path, camera({"hdf5": {"path": str(path), "dataset": dataset}})) as w:
        w.wait_for_status("told", lambda s: message in s["input"]["message"])
        if content is None:
            with h5py.File(tmp_path / "new.h5", "w") as file:
                file["x"] = np.ones((2, 4, 4), np.uint8)
            (tmp_path / "new.h5").replace(path)
            w.wait_for_status("found", lambda s: s["phase"] == "Running")


# ------------------------------------------------------------------ bsread


@contextmanager
def psi_sender(mode: str, port: int) -> Iterator[Sender]:
    """psi-bsread's own sender."""
    sender = Sender(address="tcp://127.0.0.1", port=port, mode=PUSH if mode == "Pull" else PUB, block=mode == "Pull", queue_size=10)
    sender.open()
    try:
        yield sender
    finally:
        sender.close()


def image_of(pulse_id: int) -> np.ndarray[Any, Any]:
    return np.full((6, 8), pulse_id % 1000, np.uint16)


@pytest.mark.parametrize("mode", ["Pull", "Sub"])
def test_a_channel_of_any_bsread_stream_is_a_camera(tmp_path: Path, mode: str):
    port, stop = free_port(), threading.Event()
    config = camera({"bsread": {"address": f"tcp://127.0.0.1:{port}", "mode": mode}})
    with psi_sender(mode, port) as sender, worker(tmp_path, config) as w, reader(w.address) as r:

        def send() -> None:
            pulse_id = 0
            while not stop.wait(0.01):
                pulse_id += 1
                sender.send(data={"other": 1.5, "CAM:FPICTURE": image_of(pulse_id)}, pulse_id=pulse_id, timestamp=(1_700_000_000, pulse_id))

        thread = threading.Thread(target=send)
        thread.start()
        try:
            messages = r.messages(20)
        finally:
            stop.set()
            thread.join()
    for m in messages:
        assert np.array_equal(m.values["image"], image_of(m.pulse_id))
        assert m.timestamp == (1_700_000_000, m.pulse_id)


def test_old_pulses_and_messages_that_are_no_bsread_are_counted_and_the_stream_goes_on(tmp_path: Path):
    port = free_port()
    config = camera({"bsread": {"address": f"tcp://127.0.0.1:{port}", "requirePulseIdInTimestamp": True}}, output={"mode": "Push"})
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.bind(f"tcp://127.0.0.1:{port}")
    try:
        from camstream.frame import Timestamp
        from camstream.wire import Encoder

        encoder = Encoder()

        def send(pulse_id: int, ns: int | None = None, **values: object) -> None:
            values = values or {"CAM:FPICTURE": image_of(pulse_id)}
            push.send_multipart(encoder.encode(values, pulse_id, Timestamp(1_700_000_000, pulse_id if ns is None else ns)))

        with worker(tmp_path, config) as w, reader(w.address, zmq.PULL) as r:
            send(5)
            assert r.message().pulse_id == 5
            send(5)
            send(7, ns=1)
            send(8, other=1.0)
            push.send_multipart([b"hello"])
            push.send_multipart([b'{"htype": "bsr_stop-1.0"}'])
            push.send_multipart([b'{"htype": "bsr_m-1.1", "pulse_id": 9, "hash": "x"}'])
            push.send_multipart([os.urandom(100), os.urandom(100), b""])
            send(10)
            assert r.message().pulse_id == 10
            drops = w.wait_for_status("counted", lambda s: len(s["frames"]["dropped"]) >= 5)["frames"]["dropped"]
    finally:
        push.close(0)
        context.term()
    assert drops["source/old_pulse_id"] == 1
    assert drops["source/pulse_id_not_in_timestamp"] == 1
    assert drops["source/no_image"] == 1
    assert sum(drops.get(f"source/{reason}", 0) for reason in ("foreign", "truncated", "malformed")) == 4


def test_a_frozen_sender_is_noticed_and_its_return_too(tmp_path: Path):
    first = camera({"simulation": {"width": 16, "height": 12, "frameRate": 50}}, "first")
    with worker(tmp_path, first) as a:
        second = camera({"bsread": {"address": a.address, "channel": "image", "mode": "Sub"}, "timeoutSeconds": 1}, "second")
        with worker(tmp_path, second) as b:
            b.wait_for_status("running", lambda s: s["phase"] == "Running")
            os.kill(a.process.pid, signal.SIGSTOP)
            try:
                b.wait_for_status("noticed", lambda s: s["phase"] == "Waiting" and "nothing for" in s["input"]["message"])
            finally:
                os.kill(a.process.pid, signal.SIGCONT)
            b.wait_for_status("back", lambda s: s["phase"] == "Running")
