"""What `make demo` runs, used as a user would: look, analyse, edit, stop."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bsread import SUB, Source
from local_runs import LocalRun, local_run
from waiting import wait_for
from workers import reader

from camstream.spec.status import Phase

DEMO = Path(__file__).parents[2] / "configs" / "demo"

# What the simulated camera promises (its beam is a Gaussian on an ellipse), in parts of the image of 1280 x 960 pixels.
MIDDLE = np.array([0.47, 0.55])
RADIUS = 0.08
SIGMA = 1 / 20
ANGLE_PER_FRAME = 2 * np.pi / 200
# What the calibration of the demo promises: the image is 10 mm by 7.5 mm.
SIZE_UM = np.array([10000.0, 7500.0])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    place = tmp_path_factory.mktemp("demo")
    shutil.copytree(DEMO, place / "demo")
    with local_run(place, str(place / "demo")) as run:
        run.wait_for_phase("demo-camera", Phase.RUNNING)
        run.wait("demo-pipeline", "frames", lambda view: view.phase == Phase.RUNNING and view.image.width)
        yield run


def address(run: LocalRun, name: str) -> str:
    found = run.views()[name].address
    assert found is not None
    return found


def beam(values: Any) -> Any:
    """Centre of the beam as the pipeline fitted it, in parts of the image from its top left: shape (2,)."""
    pixels = []
    for direction, axis in (("x", values["x_axis"]), ("y", values["y_axis"])):
        # Axes of a calibrated camera descend.
        pixels.append(np.interp(values[f"{direction}_fit_mean"], axis[::-1], np.arange(len(axis))[::-1]) / len(axis))
    return np.array(pixels)


def test_fit_follows_the_simulated_beam(demo: LocalRun) -> None:
    with reader(address(demo, "demo-pipeline")) as stream:
        messages = stream.messages(30)
    angles = []
    for message in messages:
        on_the_ellipse = (beam(message.values) - MIDDLE) / RADIUS
        assert np.hypot(*on_the_ellipse) == pytest.approx(1, abs=0.05)
        angles.append(np.arctan2(on_the_ellipse[1], on_the_ellipse[0]))
    turned = np.unwrap(angles) - angles[0]
    pulses = np.array([message.pulse_id - messages[0].pulse_id for message in messages])
    assert turned == pytest.approx(pulses * ANGLE_PER_FRAME, abs=0.05)


def test_widths_are_those_of_the_simulated_beam_in_micrometres(demo: LocalRun) -> None:
    with reader(address(demo, "demo-pipeline")) as stream:
        values = stream.message().values
    found = [values["x_fit_standard_deviation"], values["y_fit_standard_deviation"]]
    assert found == pytest.approx(SIGMA * SIZE_UM, rel=0.05)
    assert [values["x_fwhm"], values["y_fwhm"]] == pytest.approx(2.355 * SIGMA * SIZE_UM, rel=0.1)


def test_pipeline_sends_the_image_of_the_camera_with_its_pulse_id(demo: LocalRun) -> None:
    with reader(address(demo, "demo-camera")) as camera, reader(address(demo, "demo-pipeline")) as pipeline:
        frames = {message.pulse_id: message.values["image"] for message in camera.messages(10)}
        result = pipeline.until(lambda message: message.pulse_id in frames)
    assert np.array_equal(result.values["image"], frames[result.pulse_id])
    assert result.values["intensity"] == pytest.approx(int(result.values["image"].sum(dtype=np.int64)), rel=1e-9)


def test_frames_come_ten_times_per_second(demo: LocalRun) -> None:
    with reader(address(demo, "demo-camera")) as stream:
        messages = stream.messages(20)
    times = [message.timestamp.seconds() for message in messages]
    assert (times[-1] - times[0]) / (messages[-1].pulse_id - messages[0].pulse_id) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("name", ["demo-camera", "demo-pipeline"])
def test_any_bsread_reader_reads_both(demo: LocalRun, name: str) -> None:
    with Source(host="127.0.0.1", port=int(address(demo, name).rsplit(":", 1)[1]), mode=SUB) as stream:
        message = stream.receive()
    assert message.data.data["image"].value.shape == (960, 1280)


def test_user_sees_the_beam_by_its_name(demo: LocalRun) -> None:
    shown = demo.camstream("receive", "demo-pipeline", "--count", "2", "--output", "json")
    first, second = (json.loads(line) for line in shown.stdout.splitlines())
    assert second["pulseId"] > first["pulseId"]
    assert 0 < first["ageSeconds"] < 5
    assert first["channels"]["image"] == {"shape": [960, 1280], "type": "uint16", "min": 0, "max": 65535}


def test_status_says_that_all_is_well(demo: LocalRun) -> None:
    found = {entry["name"]: entry for entry in json.loads(demo.camstream("status", "--output", "json").stdout)}
    assert {(entry["kind"], name, entry["phase"]) for name, entry in found.items()} == {
        ("Camera", "demo-camera", "Running"),
        ("Pipeline", "demo-pipeline", "Running"),
    }
    assert {condition["status"] for entry in found.values() for condition in entry["conditions"]} == {"True"}


def test_edit_of_the_demo_is_seen_in_the_stream(demo: LocalRun) -> None:
    file = demo.state.parent / "demo" / "demo-camera.yaml"
    before = demo.views()["demo-camera"].pid
    with reader(address(demo, "demo-camera")) as stream:
        text = file.read_text()
        file.write_text(text.replace("frameRate: 10", "frameRate: 40"))
        stream.until(lambda message: np.isclose(_rate(stream), 40, rtol=0.2))
        file.write_text(text)
    assert demo.views()["demo-camera"].pid == before


def _rate(stream: Any) -> float:
    """From the times of the next messages [Hz]."""
    times = [message.timestamp.seconds() for message in stream.messages(5)]
    return 4.0 / float(times[-1] - times[0])


def test_stop_leaves_nothing(tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "demo")
    with local_run(tmp_path, str(tmp_path / "demo")) as run:
        run.wait_for_phase("demo-camera", Phase.RUNNING)
        run.wait_for_phase("demo-pipeline", Phase.RUNNING)
        assert run.stop(signal.SIGINT) == 0
        wait_for("no worker is left", lambda: not run.workers_left(), timeout_s=1)
    assert list(run.state.iterdir()) == []
