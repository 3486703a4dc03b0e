"""A camera worker as a process: its stream, live changes, refusals, and how it stops."""

import hashlib
import json
import pickle
import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ports import free_port
from waiting import wait_for
from workers import camera, reader, simulation, store_background, worker


def gaps(pulse_ids: list[int]) -> int:
    return sum(b - a - 1 for a, b in pairwise(pulse_ids))


def test_a_camera_sends_the_six_channels_of_cam_server_in_order(tmp_path: Path):
    with worker(tmp_path, camera(simulation(64, 48))) as w, reader(w.address) as r:
        message = r.message()
    assert list(message.values) == ["width", "height", "timestamp", "image", "x_axis", "y_axis"]
    types = {name: np.asarray(value).dtype.name for name, value in message.values.items()}
    assert types == {
        "width": "int64",
        "height": "int64",
        "timestamp": "float64",
        "image": "uint16",
        "x_axis": "float32",
        "y_axis": "float32",
    }
    assert (message.values["width"], message.values["height"]) == (64, 48)
    assert message.values["image"].shape == (48, 64)
    assert np.array_equal(message.values["x_axis"], np.arange(64))
    assert message.values["timestamp"] == pytest.approx(message.timestamp.seconds(), abs=1e-6)
    assert message.timestamp.ns % 1_000_000 == message.pulse_id % 1_000_000


def test_pulse_ids_count_the_frames_and_the_rate_is_the_one_asked_for(tmp_path: Path):
    with worker(tmp_path, camera(simulation(rate=100))) as w, reader(w.address) as r:
        r.message()
        messages = r.messages(60)
    pulses = [m.pulse_id for m in messages]
    assert pulses == sorted(set(pulses))
    seconds = messages[-1].timestamp.seconds() - messages[0].timestamp.seconds()
    # A frame that comes late is skipped, and its pulse id with it: pulses keep to the clock however busy the machine is.
    assert (pulses[-1] - pulses[0]) / seconds == pytest.approx(100, rel=0.25)


def test_geometry_and_calibration_reach_the_stream_live_without_losing_more_than_one_frame(tmp_path: Path):
    config = camera(simulation(64, 48, 50, pattern="StaticBeam"))
    with worker(tmp_path, config) as w:
        # From then on: while a worker loads what tells of its stream, a busy machine is late with frames.
        w.wait_for_status("loaded", lambda s: s["phase"] == "Running")
        with reader(w.address) as r:
            plain = r.message().values["image"]
            changed = json.loads(json.dumps(config))
            changed["camera"]["geometry"] = {
                "mirror": {"x": True},
                "rotateQuarterTurns": 1,
                "regionOfInterest": {"offsetX": 4, "sizeX": 20, "offsetY": 6, "sizeY": 30},
            }
            changed["camera"]["calibration"] = {"referenceMarker": {"left": 0, "top": 0, "right": 20, "bottom": 40}}
            w.apply(changed)
            pulses = []
            while True:
                message = r.message()
                pulses.append(message.pulse_id)
                if message.values["image"].shape != plain.shape:
                    break
            pulses += [m.pulse_id for m in r.messages(20)]
            assert gaps(pulses) <= 1
            assert w.status()["pid"] == w.process.pid
    assert np.array_equal(message.values["image"], np.rot90(plain[:, ::-1])[6:36, 4:24])
    assert message.values["x_axis"][0] == pytest.approx(-5 * (4 - 10))
    assert message.values["y_axis"][0] == pytest.approx(-2.5 * (6 - 20))


def test_the_simulated_size_and_rate_change_live(tmp_path: Path):
    config = camera(simulation(64, 48, 50))
    with worker(tmp_path, config) as w, reader(w.address) as r:
        assert r.message().values["image"].shape == (48, 64)
        config["camera"]["source"] = simulation(32, 20, 80)
        w.apply(config)
        message = r.until(lambda m: m.values["image"].shape == (20, 32))
        assert message.format_changed
        assert message.values["x_axis"].shape == (32,)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"output": {"queueSize": 7}}, "cannot change in a running worker: camera.output.queueSize"),
        ({"geometry": {"binning": {"x": 0}}}, "greater than or equal to 1"),
        ({"geometry": {"bining": {"x": 2}}}, "bining"),
        ({"background": {"name": "b1"}}, "there is no background 'b1'"),
        ({"geometry": {"regionOfInterest": {"offsetX": 60, "sizeX": 10, "offsetY": 0, "sizeY": 10}}}, "does not lie inside the image"),
    ],
    ids=["rollout", "out-of-range", "unknown-field", "no-background", "region outside of the image"],
)
def test_a_rejected_change_keeps_the_old_configuration_and_says_why(tmp_path: Path, change: dict[str, object], reason: str):
    config = camera(simulation())
    with worker(tmp_path, config) as w, reader(w.address) as r:
        w.wait_for_status("running", lambda s: s["phase"] == "Running")
        applied = w.status()["config"]["appliedHash"]
        w.write(config | {"camera": config["camera"] | change})
        status = w.wait_for_status("rejected", lambda s: s["config"]["rejectedReason"])
        assert reason in status["config"]["rejectedReason"]
        assert status["config"]["appliedHash"] == applied
        before = r.message().pulse_id
        assert r.until(lambda m: m.pulse_id > before + 5)
        w.write(config)
        w.wait_for_status("no longer rejected", lambda s: s["config"]["rejectedReason"] is None)


def test_a_camera_of_which_no_frame_can_be_processed_says_so_and_recovers(tmp_path: Path):
    config = camera(simulation(64, 48), geometry={"regionOfInterest": {"offsetX": 40, "sizeX": 20, "offsetY": 0, "sizeY": 40}})
    with worker(tmp_path, config) as w:
        w.wait_for_status("running", lambda s: s["phase"] == "Running")
        config["camera"]["source"] = simulation(32, 48)
        w.write(config)
        status = w.wait_for_status("waiting", lambda s: s["phase"] == "Waiting")
        assert "region of interest 20x40 at (40, 0) does not lie inside the image, which is 32x48" in status["message"]
        config["camera"]["source"] = simulation(64, 48)
        w.write(config)
        w.wait_for_status("running again", lambda s: s["phase"] == "Running")


def test_a_broken_configuration_file_is_rejected_while_running(tmp_path: Path):
    with worker(tmp_path, camera(simulation())) as w:
        w.wait_for_status("running", lambda s: s["phase"] == "Running")
        w.path.write_text("{ not json")
        status = w.wait_for_status("rejected", lambda s: s["config"]["rejectedReason"])
        assert "is wrong" in status["config"]["rejectedReason"]


def test_max_frame_rate_drops_and_counts(tmp_path: Path):
    config = camera(simulation(rate=100) | {"maxFrameRate": 20})
    with worker(tmp_path, config) as w, reader(w.address) as r:
        r.message()
        messages = r.messages(20)
        dropped = w.status()["frames"]["dropped"]["selection/max_frame_rate"]
    seconds = messages[-1].timestamp.seconds() - messages[0].timestamp.seconds()
    assert 19 / seconds < 20 * 1.2
    assert dropped > 20


def test_a_simulated_pulse_id_is_the_time_in_hundredths(tmp_path: Path):
    with worker(tmp_path, camera(simulation(rate=20) | {"simulatePulseId": True})) as w, reader(w.address) as r:
        messages = r.messages(10)
    pulses = [m.pulse_id for m in messages]
    assert pulses == sorted(set(pulses))
    assert pulses[-1] == pytest.approx(messages[-1].timestamp.seconds() * 100, abs=50)


@pytest.mark.parametrize("compression", ["None", "BitshuffleLz4"])
def test_compression_changes_the_bytes_and_not_the_image(tmp_path: Path, compression: str):
    config = camera(simulation(64, 48, pattern="StaticBeam", noise=0), output={"compression": compression})
    with worker(tmp_path, config) as w, reader(w.address) as r:
        parts = r.parts()
        message = r.decoder.decode(parts)
    largest = max(len(part) for part in parts)
    assert (largest < 64 * 48 * 2) == (compression == "BitshuffleLz4")
    assert message.values["image"].shape == (48, 64)
    assert message.values["image"].max() == 65535


def test_http_tells_health_readiness_metrics_status_and_a_picture(tmp_path: Path):
    with worker(tmp_path, camera(simulation(64, 48))) as w:
        status = w.wait_for_status("running", lambda s: s["phase"] == "Running" and s["receiveRate"] > 10)
        assert w.get("/healthz") == (200, b"ok\n")
        assert w.get("/readyz") == (200, b"ok\n")
        assert status["image"] == {"width": 64, "height": 48, "pixelType": "uint16", "size": "64x48"}
        assert status["stream"] == {"address": w.address, "externalAddress": None, "mode": "Pub"}
        code, metrics = w.get("/metrics")
        assert code == 200
        assert b"camstream_frames_sent_total" in metrics
        assert b"camstream_frame_age_seconds_bucket" in metrics
        code, png = w.get("/preview.png?width=32")
        assert (code, png[:8]) == (200, b"\x89PNG\r\n\x1a\n")
        assert w.get("/preview.png?width=x")[0] == 400
        assert w.get("/nothing")[0] == 404


def test_clients_are_counted_while_they_are_connected(tmp_path: Path):
    with worker(tmp_path, camera(simulation())) as w:
        with reader(w.address) as a, reader(w.address) as b:
            a.message(), b.message()
            w.wait_for_status("two clients", lambda s: s["clients"] == 2)
        w.wait_for_status("no client", lambda s: s["clients"] == 0)


@pytest.mark.parametrize("state", ["running", "starting", "waiting for a source", "blocked in a push"])
def test_sigterm_stops_a_worker_in_every_state(tmp_path: Path, state: str):
    config = {
        "running": camera(simulation()),
        "starting": camera(simulation()),
        "waiting for a source": camera({"hdf5": {"path": str(tmp_path / "none.h5"), "dataset": "/x"}}),
        "blocked in a push": camera(simulation(), output={"mode": "Push"}),
    }[state]
    with worker(tmp_path, config) as w:
        if state == "starting":
            # Python itself has to be up: before there is a handler a signal just ends it.
            wait_for("a handler of SIGTERM", lambda: caught(w.process.pid) & 1 << signal.SIGTERM - 1)
        elif state == "running":
            w.wait_for_status(state, lambda s: s["phase"] == "Running")
        elif state == "waiting for a source":
            w.wait_for_status(state, lambda s: "none.h5" in s["input"]["message"])
        else:
            w.wait_for_status(state, lambda s: s["frames"]["received"] > 4)
        code = w.stop(timeout_s=4)
    assert code == 0


def caught(pid: int) -> int:
    """Signals that a process has handlers for, as bits."""
    return int(re.findall(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())[0], 16)


def test_a_worker_can_be_stopped_before_it_loads_its_libraries(tmp_path: Path):
    """The kernel keeps signals without a handler from the first process of a container: for a second nothing could end it."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(camera(simulation())))
    program = "import os, signal, sys; from camstream_worker import app; {}; sys.exit(app.main())"
    told = "app._limit_threads = lambda: os.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", program.format(told), str(config)], timeout=60, check=False)
    assert done.returncode == 0


def test_the_first_frame_goes_before_what_only_tells_of_it_is_loaded_and_garbage_is_collected_afterwards(tmp_path: Path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(camera(simulation())))
    program = """
import gc, sys
from camstream_worker import app
from camstream_worker.runtime.runner import Runner
from camstream_worker.service import worker

deliver = Runner._deliver

def look(*of):
    if not told:
        told.append(("camstream_worker.service.http" in sys.modules, gc.isenabled()))
    deliver(*of)

told = []
Runner._deliver = look
worker.FIRST_S = 60  # on a busy machine, too
worker.Worker._run_until_stopped = lambda *_: print(told, "camstream_worker.service.http" in sys.modules, gc.isenabled())
sys.exit(app.main())
"""
    done = subprocess.run([sys.executable, "-c", program, str(config)], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "[(False, False)] True True"


def test_a_worker_ends_with_its_parent(tmp_path: Path):
    with worker(tmp_path, camera(simulation())) as w:
        w.wait_for_status("running", lambda s: s["phase"] == "Running")
        assert w.process.stdin is not None
        w.process.stdin.close()
        assert w.process.wait(5) == 0


@pytest.mark.parametrize(
    ("wrong", "code", "reason", "message"),
    [
        ({"camera": {"source": {}}}, 2, "WrongConfiguration", "set exactly one of simulation, bsread, epics, hdf5"),
        ({"kind": "Lens"}, 2, "WrongConfiguration", "kind"),
    ],
)
def test_a_wrong_configuration_ends_the_worker_with_its_reason(
    tmp_path: Path, wrong: dict[str, object], code: int, reason: str, message: str
):
    with worker(tmp_path, camera(simulation()) | wrong) as w:
        assert w.process.wait(10) == code
        told = json.loads(w.termination.read_text())
        log = w.log.read_text()
    assert (told["reason"], told["exitCode"]) == (reason, code)
    assert message in told["message"]
    assert "Traceback" not in log


def test_a_camera_runs_uncorrected_while_there_is_no_background_and_says_so(tmp_path: Path):
    with worker(tmp_path, camera(simulation(), background_spec={"name": "b"})) as w, reader(w.address) as r:
        assert r.message().values["image"].any()
        status = w.wait_for_status("running", lambda s: s["phase"] == "Running")
    assert "there is no background 'b'" in status["message"]
    assert status["background"] is None


def test_a_background_is_subtracted_and_named(tmp_path: Path):
    config = camera(simulation(64, 48, pattern="StaticBeam"))
    with worker(tmp_path, config) as w, reader(w.address) as r:
        plain = r.message().values["image"].copy()
        stored = store_background(tmp_path, "CAM_20261121_120000_000000", plain // 2)
        w.apply(config | {"background": stored, "camera": config["camera"] | {"background": {}}})
        corrected = r.until(lambda m: not np.array_equal(m.values["image"], plain)).values["image"]
        status = w.status()
    assert np.array_equal(corrected, plain - plain // 2)
    assert status["background"] == {"name": stored["name"], "sha256": stored["sha256"]}


def test_a_background_of_a_store_is_waited_for_and_kept_for_the_next_start(tmp_path: Path):
    config = camera(simulation(64, 48, pattern="StaticBeam"), background_spec={})
    port, files, temporary = free_port(), tmp_path / "files", tmp_path / "tmp"
    files.mkdir()
    temporary.mkdir()
    stored = store_background(files, "b", np.full((48, 64), 65535, np.uint16))
    config["background"] = {"name": "b", "url": f"http://127.0.0.1:{port}/b.npy", "sha256": stored["sha256"]}
    environment = {"TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(files)]
    with worker(tmp_path, config, environment) as w, reader(w.address) as r:
        assert r.message().values["image"].any()
        status = w.wait_for_status("it says so", lambda s: s["message"])
        assert f"background 'b' cannot be fetched from http://127.0.0.1:{port}/b.npy" in status["message"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            try:
                w.wait_for_status("it is fetched", lambda s: s["background"] == {"name": "b", "sha256": stored["sha256"]})
            finally:
                server.terminate()
        r.until(lambda m: not m.values["image"].any())
        assert w.status()["message"] == ""
    # The store is gone, and the worker starts anew.
    with worker(tmp_path, config, environment) as w, reader(w.address) as r:
        assert not r.message().values["image"].any()
        kept = next(temporary.rglob("*.npy"))
    # What it has kept is damaged: it is asked for again.
    kept.write_bytes(b"x")
    with worker(tmp_path, config, environment) as w:
        w.wait_for_status("it says so", lambda s: "cannot be fetched" in s["message"])
        # What comes when the store is back is not what was meant.
        (files / "b.npy").write_bytes(b"x")
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            try:
                status = w.wait_for_status("it says so", lambda s: s["config"]["rejectedReason"])
            finally:
                server.terminate()
        assert "b.npy has SHA-256" in status["config"]["rejectedReason"]


@pytest.mark.parametrize("damage", ["missing", "changed", "truncated", "pickle", "text"])
def test_a_damaged_background_is_refused_and_the_stream_goes_on(tmp_path: Path, damage: str):
    config = camera(simulation(64, 48))
    stored = store_background(tmp_path, "bg", np.ones((48, 64), np.uint16))
    path = Path(stored["path"])
    if damage == "missing":
        path.unlink()
    elif damage == "changed":
        path.write_bytes(path.read_bytes() + b"x")
    else:
        content = {"truncated": path.read_bytes()[:200], "pickle": pickle.dumps([1]), "text": b"hello"}[damage]
        path.write_bytes(content)
        stored["sha256"] = hashlib.sha256(content).hexdigest()
    with worker(tmp_path, config) as w, reader(w.address) as r:
        r.message()
        w.write(config | {"background": stored, "camera": config["camera"] | {"background": {"name": "bg"}}})
        status = w.wait_for_status("rejected", lambda s: s["config"]["rejectedReason"])
        assert "background 'bg'" in status["config"]["rejectedReason"]
        assert r.message()


def test_an_address_in_use_ends_the_worker_with_code_three(tmp_path: Path):
    first = camera(simulation(), "first")
    with worker(tmp_path, first) as a:
        a.wait_for_status("running", lambda s: s["phase"] == "Running")
        with worker(tmp_path, camera(simulation(), "second") | {"streamAddress": first["streamAddress"]}) as b:
            assert b.process.wait(10) == 3
            assert "in use by another program" in json.loads(b.termination.read_text())["message"]


ARENA_BYTES = 64 * 2**20
"""glibc gives a thread that has a heap of its own this much address space, at a multiple of it, and opens it as it is needed."""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and glibc")
def test_all_threads_of_a_worker_share_one_heap_so_that_frames_use_the_memory_of_earlier_frames(tmp_path: Path):
    with worker(tmp_path, camera(simulation(640, 480, 50))) as w, reader(w.address) as r:
        r.messages(20)
        maps = [line.split()[:2] for line in Path(f"/proc/{w.process.pid}/maps").read_text().splitlines()]
    places = [(*(int(end, 16) for end in place.split("-")), rights) for place, rights in maps]
    heaps = [
        start
        for (start, stop, rights), (after, end, closed) in pairwise(places)
        if (start % ARENA_BYTES, stop, rights, closed) == (0, after, "rw-p", "---p") and end == start + ARENA_BYTES
    ]
    assert not heaps
