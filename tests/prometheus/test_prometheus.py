"""A real Prometheus reads workers, a live page and an operator: dashboards have data, alerts fire for their cause and clear after it.

Workers and page are those of `camstream run`. The operator looks after another camera, on an API server without nodes.
"""

import itertools
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from api_server import install_crds, running_api_server
from local_runs import CAMSTREAM, LocalRun, local_run, manifest, small_camera, write
from operators import SIMULATION, Cluster, Operator, running_operator
from prometheus_server import Prometheus, other_target, running_prometheus, worker_target
from prometheus_tools import dashboards, expressions
from waiting import wait_for
from workers import WorkerProcess, camera, reader, simulation, store_background, worker

SOON = ('monitoring.alerts.for="3s"', 'monitoring.alerts.window="10s"', "monitoring.alerts.storeFreePercent=0")
"""Whatever room this machine has is enough."""
"""A minute is long in a test."""

RATE_HZ = 20.0
LARGE = {"width": 1280, "height": 960}
"""Two or three of these fill all buffers on the way to a reader."""
BACKGROUND, ODD_BACKGROUND = "CAM_20261121_120000_000000", "CAM_of_another_shape"
USUAL: Mapping[str, object] = {"background": {"name": BACKGROUND}}

pytestmark = pytest.mark.timeout(300)


class Receiving:
    """`camstream receive` of a stream, that can be made to stand still."""

    def __init__(self, run: LocalRun, name: str) -> None:
        command = [CAMSTREAM, "receive", name, "--output", "json", "--channels", "width", "--timeout", "3600"]
        self._process = subprocess.Popen(command, env=run.environment, stdout=subprocess.DEVNULL)

    def stand_still(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


@dataclass
class Installation:
    """Everything that runs."""

    folder: Path
    run: LocalRun
    source: WorkerProcess
    receiving: Receiving
    cluster: Cluster
    operator: Operator
    prometheus: Prometheus

    def start_source(self) -> None:
        self.source = WorkerProcess(self.folder, self.source.config)

    def process(self, **processing: object) -> None:
        """Change what the pipeline does; without words, to what it did at first."""
        write_objects(self.folder, self.source.address, processing or USUAL)

    def pid(self, name: str) -> int:
        found = self.run.views()[name].pid
        assert found is not None
        return found

    def received(self, name: str) -> float:
        """Frames that a worker has received, as Prometheus knows."""
        [series] = self.prometheus.query(f'camstream_frames_received_total{{name="{name}"}}')
        return float(series["value"][1])


def write_objects(folder: Path, source: str, processing: Mapping[str, object]) -> None:
    """The objects of the local run."""
    # A simulation that is started again begins again with its first pulse.
    bsread = {"address": source, "channel": "image", "mode": "Sub", "requireIncreasingPulseId": False}
    read = {"camera": {"name": "cam"}, "timeoutSeconds": 1}
    write(
        folder / "objects" / "objects.yaml",
        manifest("Camera", "cam", {"source": {"bsread": bsread, "timeoutSeconds": 1}}),
        manifest("Pipeline", "pipe", {"input": read | {"backlog": "All", "queueSize": 1000}, "processing": dict(processing)}),
        small_camera("large", LARGE, output={"queueSize": 2}),
        small_camera("pushed", LARGE, output={"mode": "Push", "queueSize": 2}),
        small_camera("mortal", background=USUAL["background"]),
    )


def targets(run: LocalRun, operator: Operator) -> list[dict[str, Any]]:
    """Everything that runs now."""
    workers = [worker_target(urlsplit(str(view.http_address)).netloc, view.kind, name) for name, view in run.views().items()]
    return [*workers, other_target(f"127.0.0.1:{operator.port}", "operator"), other_target(urlsplit(run.page()).netloc, "gateway")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    for part in ("objects", "store", "api", "operator", "run", "prometheus"):
        (folder / part).mkdir()
    store_background(folder / "store", BACKGROUND, np.full((48, 64), 3, np.uint16))
    store_background(folder / "store", ODD_BACKGROUND, np.zeros((5, 5), np.uint16))
    with ExitStack() as stack:
        server = stack.enter_context(running_api_server(folder / "api"))
        install_crds(server)
        cluster = Cluster(server)
        operator = stack.enter_context(running_operator(folder / "operator", server.kubeconfig))
        cluster.create("Camera", "default", "remote", SIMULATION | {"lifecycle": {"mode": "Stopped"}})
        cluster.wait_until_deployed("Camera", "default", "remote")
        source = stack.enter_context(worker(folder, camera(simulation(rate=RATE_HZ), name="source")))
        write_objects(folder, source.address, USUAL)
        run = stack.enter_context(local_run(folder / "run", "--backgrounds", str(folder / "store"), str(folder / "objects"), page=True))
        run.wait("pushed", "has an address", lambda view: view.address)
        receiving = Receiving(run, "pushed")
        stack.callback(receiving.stop)
        for name in run.views():
            run.wait(name, "running", lambda view: view.phase == "Running", 60)
        prometheus = stack.enter_context(running_prometheus(folder / "prometheus", targets(run, operator), *SOON))
        made = Installation(folder, run, source, receiving, cluster, operator, prometheus)
        try:
            yield made
        finally:
            made.source.kill()


def test_every_target_of_the_docs_configuration_is_read_and_has_the_labels_of_its_object(installation: Installation) -> None:
    prometheus, names = installation.prometheus, set(installation.run.views())
    pods = {*(f"worker-{name}" for name in names), "operator", "gateway"}
    wait_for("all are read", lambda: prometheus.targets() == dict.fromkeys(pods, ("up", "")), 30, 0.2)
    found = {(one["metric"]["kind"], one["metric"]["name"]) for one in prometheus.query('camstream_frames_sent_total{namespace="default"}')}
    assert found == {(view.kind, name) for name, view in installation.run.views().items()}
    # The namespace of the object, and not of the operator that tells about it.
    [one] = prometheus.query('camstream_operator_object_phase{name="remote"}')
    assert (one["metric"]["namespace"], one["metric"]["phase"]) == ("default", "Stopped")


def test_every_expression_of_every_dashboard_has_data(installation: Installation) -> None:
    wanted = {(name, place): text for name, dashboard in dashboards().items() for place, text in expressions(dashboard).items()}
    assert len(wanted) > 60

    edits = itertools.count()

    def all_have_data() -> bool:
        # So that the operator has something to do.
        installation.cluster.edit("Camera", "default", "remote", {"spec": {"groups": [f"edit-{next(edits)}"]}})
        for place, text in list(wanted.items()):
            # A quantile of nothing is no data either.
            if any(one["value"][1] != "NaN" for one in installation.prometheus.query(text)):
                del wanted[place]
        return not wanted

    try:
        wait_for("every expression has data", all_have_data, 60, 0.5)
    except AssertionError:
        raise AssertionError(f"without data: {wanted}") from None


def test_nothing_fires_while_all_is_well(installation: Installation) -> None:
    installation.prometheus.wait_until_cleared()
    states = {one["name"]: one["health"] for group in installation.prometheus.api("rules")["groups"] for one in group["rules"]}
    assert set(states.values()) == {"ok"}, states


def test_source_that_is_gone_and_receiver_that_stands_still_are_told_until_they_are_back(installation: Installation) -> None:
    prometheus = installation.prometheus
    installation.source.kill()
    installation.receiving.stand_still()
    prometheus.wait_until_fired(
        ("CamstreamSourceDown", "cam"),
        # It reads the camera.
        ("CamstreamSourceDown", "pipe"),
        ("CamstreamStreamStalled", "pushed"),
    )
    installation.start_source()
    installation.receiving.go_on()
    prometheus.wait_until_cleared()


def test_client_that_stands_still_is_told_while_others_get_everything(installation: Installation) -> None:
    prometheus = installation.prometheus
    with reader(str(installation.run.views()["large"].address), hwm=1):
        prometheus.wait_until_fired(("CamstreamMessagesLost", "large"))
        assert prometheus.query('increase(camstream_frames_sent_total{name="large"}[5s])')[0]["value"][1] != "0"
    prometheus.wait_until_cleared()


def test_worker_that_dies_again_and_again_is_told(installation: Installation) -> None:
    prometheus = installation.prometheus
    for before in range(2):
        pid = installation.pid("mortal")
        os.kill(pid, signal.SIGKILL)
        installation.run.wait("mortal", "another process", lambda view, pid=pid: view.pid not in (None, pid) and view.phase == "Running")
        lives = f'changes(camstream_process_start_time_seconds{{name="mortal"}}[10s]) > {before}'
        wait_for("Prometheus has seen it", lambda lives=lives: prometheus.query(lives), 20, 0.2)
    prometheus.wait_until_fired(("CamstreamWorkerRestarting", "mortal"))
    prometheus.wait_until_cleared()


def test_worker_that_is_held_up_again_and_again_is_late(installation: Installation) -> None:
    prometheus = installation.prometheus

    def held_up() -> bool:
        """For two seconds of the camera; whether it has been told by then."""
        received, pid = installation.received("cam"), installation.pid("pipe")
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("the camera goes on", lambda: installation.received("cam") > received + 2 * RATE_HZ, 60, 0.2)
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for("it is read again", lambda: prometheus.targets()["worker-pipe"][0] == "up", 60, 0.2)
        return ("CamstreamStreamLate", "pipe") in prometheus.firing()

    wait_for("CamstreamStreamLate fires", held_up, 90)
    prometheus.wait_until_cleared()


def test_configuration_that_is_refused_and_frames_that_fail_are_told(installation: Installation) -> None:
    prometheus = installation.prometheus
    installation.process(background={"name": "never-collected"})
    prometheus.wait_until_fired(("CamstreamConfigRejected", "pipe"))
    installation.process(background={"name": ODD_BACKGROUND})
    prometheus.wait_until_fired(("CamstreamFramesFailed", "pipe"), ("CamstreamStreamStalled", "pipe"))
    installation.process()
    prometheus.wait_until_cleared()


def test_pipeline_that_is_too_slow_for_its_input_is_told(installation: Installation) -> None:
    prometheus, file = installation.prometheus, installation.folder / "objects" / "slow.yaml"
    script = {"source": "import time\ndef process_image(image, *_):\n    time.sleep(0.5)\n    return {}\n"}
    write(file, manifest("Pipeline", "slow", {"input": {"camera": {"name": "cam"}}, "script": script}))
    try:
        installation.run.wait("slow", "running", lambda view: view.phase == "Running", 60)
        prometheus.scrape(targets(installation.run, installation.operator))
        prometheus.wait_until_fired(("CamstreamFramesLost", "slow"))
    finally:
        file.unlink()
    wait_for("it is gone", lambda: "slow" not in installation.run.views(), 30)
    prometheus.scrape(targets(installation.run, installation.operator))
    prometheus.wait_until_cleared()


def test_somebody_who_changes_what_is_the_operators_is_told(installation: Installation) -> None:
    prometheus, edits = installation.prometheus, itertools.count(2)

    def fired() -> bool:
        installation.cluster.edit("Deployment", "default", "cam-remote", {"spec": {"replicas": next(edits)}})
        return ("CamstreamOperatorOverruled", "") in prometheus.firing()

    wait_for("CamstreamOperatorOverruled fires", fired, 60, 0.5)
    prometheus.wait_until_cleared()


def test_operator_that_is_away_and_object_that_does_not_run_are_told(installation: Installation) -> None:
    prometheus = installation.prometheus
    # Nothing starts pods here.
    installation.cluster.edit("Camera", "default", "remote", {"spec": {"lifecycle": {"mode": "Always"}}})
    prometheus.wait_until_fired(("CamstreamObjectNotRunning", "remote"))
    installation.cluster.edit("Camera", "default", "remote", {"spec": {"lifecycle": {"mode": "Stopped"}}})
    prometheus.wait_until_cleared()
    assert installation.operator.stop() == 0
    prometheus.wait_until_fired(("CamstreamOperatorAway", ""))
    installation.operator.start()
    installation.operator.wait_until_ready()
    prometheus.wait_until_cleared()


def test_store_that_is_nearly_full_is_told(installation: Installation) -> None:
    prometheus = installation.prometheus
    # No disk is filled for a test: it is full enough for somebody who wants all of it free.
    prometheus.use_rules(*SOON, "monitoring.alerts.storeFreePercent=100")
    prometheus.wait_until_fired(("CamstreamStoreFilling", ""))
    prometheus.use_rules(*SOON)
    prometheus.wait_until_cleared()
