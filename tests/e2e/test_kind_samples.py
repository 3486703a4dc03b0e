"""Every sample of configs/samples on a cluster becomes what it says."""

from pathlib import Path

import pytest
from cluster_runs import Workspace, condition, figure
from kind import ROOT
from ruamel.yaml import YAML

SAMPLES = sorted((ROOT / "configs" / "samples").glob("*.yaml"))
TOGETHER = 4
"""How many files at a time: most have two workers, some have five."""

OTHERWISE = {
    "pipeline/stopped": ("Stopped", "stopped on request; set spec.lifecycle.mode to Always to start it"),
    "camera/source-hdf5": ("Waiting", "/tmp/images.h5"),
    "camera/source-epics": ("Waiting", "GUN-CAM-01"),
    "camera/source-epics-pvs": ("Waiting", "GUN-CAM-02"),
    "camera/source-bsread": ("Waiting", "tcp://127.0.0.1:10901"),
    "pipeline/input-address": ("Waiting", "tcp://127.0.0.1:10904"),
    "pipeline/pause": ("Waiting", "paused: selection.pause drops every frame"),
    "pipeline/spectrum": ("Waiting", "configs/samples/scripts/spectrum.py cannot be read"),
    "pipeline/merged-with-stream": ("Waiting", "tcp://127.0.0.1:5599, which is to be merged"),
    "camera/on-demand-camera": ("Idle", "nobody reads it"),
    "pipeline/on-demand": ("Idle", "nobody reads it"),
    "pipeline/file": ("Completed", "all 100 records have been sent"),
    "pipeline/background-latest": ("Waiting", "collect one, or remove"),
}
"""Phase and words of those that do not become Running: they need something that is not there, or are told not to run."""

WITHOUT_BACKGROUND = ("camera/background-subtracted", "pipeline/background-latest", "pipeline/background-by-id")


def streaming(file: Path) -> list[str]:
    """The cameras and pipelines of a file."""
    documents = YAML(typ="safe").load_all(file.read_text())
    return [f"{thing['kind'].lower()}/{thing['metadata']['name']}" for thing in documents if thing["kind"] in ("Camera", "Pipeline")]


@pytest.mark.parametrize("first", range(0, len(SAMPLES), TOGETHER))
def test_every_sample_becomes_what_it_says(workspace: Workspace, first: int) -> None:
    # Those that wait say so with Warning Events, and the sample of the failure policy ends as long as its camera is not there.
    workspace.expected |= {"NoFrames", "Waiting", "NotFound", "NotLoaded", "Failed", "CrashLoopBackOff", "ScriptError"}
    # What a manifest refers to may come after it.
    workspace.expected |= {"CameraNotFound", "PipelineNotFound"}
    files = SAMPLES[first : first + TOGETHER]
    workspace.apply_files(*files)
    things = [thing for file in files for thing in streaming(file)]
    for thing in things:
        phase, words = OTHERWISE.get(thing, ("Running", ""))
        ready = "True" if phase == "Running" else "False"

        def as_it_says(status: dict[str, object], phase: str = phase, words: str = words, ready: str = ready) -> bool:
            found = condition(status, "Ready")
            return (status.get("phase"), found.get("status")) == (phase, ready) and words in found["message"]

        found = workspace.wait_for(f"{phase} {words}", thing, as_it_says)
        if thing in WITHOUT_BACKGROUND:
            loaded = condition(found["status"], "BackgroundLoaded")
            assert (loaded["status"], loaded["reason"]) == ("False", "NotFound")
            assert "collect one, or remove the background from the spec" in loaded["message"]
    figure(f"workers of {len(files)} samples", len(things), "")


def test_a_stream_is_exposed_at_a_port_of_every_node(workspace: Workspace) -> None:
    workspace.apply_files(ROOT / "configs" / "samples" / "exposure.yaml")
    workspace.wait_until_ready("camera/exposure")
    status = workspace.status("camera/exposure")
    assert status["stream"]["address"] == f"tcp://cam-exposure.{workspace.namespace}.svc:12345"
    node = workspace.pod("camera/exposure")["status"]["hostIP"]
    assert status["stream"]["externalAddress"] == f"tcp://{node}:30123"
    image = workspace.installation.worker_image
    for address in (status["stream"]["address"], status["stream"]["externalAddress"]):
        (reading,) = workspace.cluster.read_frames(workspace.namespace, address, image=image)
        assert reading.channels["width"] == 320
    nodes = workspace.cluster.get("nodes")["items"]
    for addresses in (item["status"]["addresses"] for item in nodes):
        internal = next(address["address"] for address in addresses if address["type"] == "InternalIP")
        (reading,) = workspace.cluster.read_frames(workspace.namespace, f"tcp://{internal}:30123", image=image)
        assert reading.channels["width"] == 320
