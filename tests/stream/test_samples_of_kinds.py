"""The sample of each kind of pipeline, run as its page shows it, with a plain psi-bsread client at its end."""

import signal
from pathlib import Path
from typing import Any

import bsread
import h5py
import pytest
from local_runs import LocalRun, local_run
from workers import reader

from camstream.spec.status import Phase

SAMPLES = Path(__file__).parents[2] / "configs" / "samples"


def received(run: LocalRun, name: str, count: int = 3, mode: Any = bsread.SUB) -> list[tuple[int, dict[str, Any]]]:
    """Pulse ids and values, as psi-bsread reads them."""
    address = run.wait(name, "frames", lambda view: view.phase in (Phase.RUNNING, Phase.STARTING) and view.address).address or ""
    host, port = address.removeprefix("tcp://").split(":")
    with bsread.Source(host=host, port=int(port), mode=mode, receive_timeout=30_000) as source:
        found = [source.receive() for _ in range(count)]
    assert all(message is not None for message in found)
    return [(message.data.pulse_id, {name: channel.value for name, channel in message.data.data.items()}) for message in found]


CHANNELS: dict[str, tuple[str, Any, set[str]]] = {
    "script": ("script", bsread.SUB, {"bright_pixels", "brightest", "profile", "camera", "processing_parameters"}),
    "script-configmap": ("halves", bsread.SUB, {"left", "right", "processing_parameters"}),
    "script-file": ("spectrum", bsread.SUB, {"spectrum", "spectrum_axis", "spectrum_peak", "processing_parameters"}),
    "stream": ("stream", bsread.SUB, {"x", "y", "distance", "processing_parameters"}),
    "store": ("store", bsread.PULL, {"store-camera:FPICTURE"}),
    "custom": ("custom", bsread.SUB, {"count", "wave", "processing_parameters"}),
    "own-program": ("own-program", bsread.SUB, {"count"}),
    "fan-in": ("gathered-sources", bsread.SUB, {"source", "seconds", "processing_parameters"}),
    "merge": ("merged", bsread.SUB, {"here", "there", "processing_parameters"}),
    "psen": ("psen", bsread.SUB, {"psen-camera.roi_signal_x_profile", "psen-camera.roi_background_x_profile"}),
    "psss": ("psss", bsread.SUB, {f"psss-camera:SPECTRUM_{name}" for name in ("X", "Y", "CENTER", "FWHM", "COM", "STD")}),
    "prefix": ("prefix", bsread.SUB, {f"SAT-CAM:{name}" for name in ("image", "x_axis", "y_axis", "width", "height", "timestamp")}),
    "output-push": ("output-push", bsread.PULL, {"image", "x_axis", "y_axis", "x_fit_mean"}),
}


@pytest.mark.parametrize("sample", CHANNELS)
def test_sample_sends_its_channels(tmp_path: Path, sample: str) -> None:
    name, mode, channels = CHANNELS[sample]
    with local_run(tmp_path, str(SAMPLES / f"{sample}.yaml")) as run:
        messages = received(run, name, mode=mode)
    for _, values in messages:
        assert set(values) >= channels
        assert all(values[channel] is not None for channel in channels)
    # Two that send to a FanIn may have the same pulse.
    pulses = [pulse_id for pulse_id, _ in messages]
    assert pulses == sorted(pulses)


def test_graph_of_five_workers_keeps_the_order_and_loses_nothing_that_is_not_counted(tmp_path: Path) -> None:
    with local_run(tmp_path, str(SAMPLES / "fan-out.yaml")) as run:

        def dropped() -> int:
            return sum(view.drops or 0 for view in run.views().values())

        # While workers come one after the other, queues may run full.
        received(run, "gathered", 50)
        camera, before = run.views()["fast-camera"], dropped()
        with reader(camera.address or "", hwm=10_000) as images:
            sent = [images.message().pulse_id]
            messages = received(run, "gathered", 120)
            pulses = [pulse_id for pulse_id, _ in messages]
            while sent[-1] < pulses[-1]:
                sent.append(images.message().pulse_id)
        assert pulses == sorted(set(pulses))
        assert all("x_fit_mean" in values for _, values in messages)
        first = next(pulse_id for pulse_id in pulses if pulse_id >= sent[0])
        lost = {pulse_id for pulse_id in sent if pulse_id >= first} - set(pulses)
        if lost:
            run.wait("fast-camera", f"the loss of {sorted(lost)} is counted", lambda _: dropped() > before)
        assert len(lost) < 20
        # Each of the three workers of the shared stage has its own log.
        logs = {log.name for log in run.state.glob("run-*/default.pipeline.share*.log")}
        assert logs == {f"default.pipeline.share{tail}.log" for tail in ("", ".2", ".3", "-out")}


def test_file_holds_all_records_when_the_pipeline_is_complete(tmp_path: Path) -> None:
    files = tmp_path / "files"
    with local_run(tmp_path, str(SAMPLES / "file.yaml"), "--files", str(files)) as run:
        view = run.wait("file", "complete", lambda view: view.phase == Phase.COMPLETED, timeout_s=60)
        assert view.address == str(files / "demo" / "beam.h5")
        assert run.stop(signal.SIGTERM) == 0
    with h5py.File(files / "demo" / "beam.h5") as file:
        assert len(file["header1/pulse_id"]) == 100
        assert file["data1/x_fit_mean/value"].shape == (100,)
        assert "image" not in file["data1"]
