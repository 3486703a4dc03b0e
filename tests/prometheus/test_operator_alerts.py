"""A real Prometheus reads an operator whose API server is too slow, or answers what nobody expects: alerts fire, and clear after it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from api_proxy import Proxy, Refusal, running_proxy
from api_server import install_crds, running_api_server
from operators import SIMULATION, Cluster, Operator
from prometheus_server import Prometheus, other_target, running_prometheus

SOON = ('monitoring.alerts.for="3s"', 'monitoring.alerts.window="10s"')
"""A minute is long in a test."""

STOPPED = SIMULATION | {"lifecycle": {"mode": "Stopped"}}
"""Nothing starts pods here, and nobody shall miss them."""

pytestmark = pytest.mark.timeout(300)


@dataclass
class Watched:
    """An operator and who reads it."""

    cluster: Cluster
    proxy: Proxy
    operator: Operator
    prometheus: Prometheus

    def make_cameras(self, *names: str) -> None:
        for name in names:
            self.cluster.create("Camera", "default", name, STOPPED)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    for part in ("api", "operator", "prometheus"):
        (tmp_path / part).mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(running_api_server(tmp_path / "api"))
        install_crds(server)
        proxy = stack.enter_context(running_proxy(server))
        operator = Operator(tmp_path / "operator", proxy.kubeconfig(tmp_path / "kubeconfig"))
        stack.callback(operator.end)
        operator.start()
        operator.wait_until_ready()
        targets = [other_target(f"127.0.0.1:{operator.port}", "operator")]
        prometheus = stack.enter_context(running_prometheus(tmp_path / "prometheus", targets, *SOON))
        found = Watched(Cluster(server), proxy, operator, prometheus)
        found.make_cameras("first")
        found.cluster.wait_until_deployed("Camera", "default", "first")
        prometheus.wait_until_cleared()
        yield found
        assert operator.stop() == 0, operator.log


def test_operator_whose_api_server_does_not_answer_in_time_is_behind_until_it_does(watched: Watched) -> None:
    prometheus = watched.prometheus
    # More than it works on at a time: each takes as long as it waits for an answer.
    names = [f"cam-{number:02}" for number in range(64)]
    watched.proxy.hold = lambda asked: asked.write
    watched.make_cameras(*names)
    prometheus.wait_until_fired(("CamstreamOperatorBehind", ""), timeout_s=150)
    # It leads all the time, and an API server that is slow is no fault of it.
    assert prometheus.firing() & {("CamstreamOperatorAway", ""), ("CamstreamOperatorErrors", "")} == set()
    watched.proxy.hold = lambda _: False
    for name in names:
        watched.cluster.wait_until_deployed("Camera", "default", name, timeout_s=60)
    prometheus.wait_until_cleared()
    watched.operator.assert_no_errors()


def test_operator_that_meets_what_nobody_expects_tells_it_until_it_has_got_over_it(watched: Watched) -> None:
    prometheus = watched.prometheus
    # As of something in between that takes itself for the API server: a success without the object.
    watched.proxy.before = lambda asked: Refusal(200) if asked.write and asked.path.endswith("/first/status") else None
    watched.cluster.edit("Camera", "default", "first", {"spec": {"lifecycle": {"mode": "OnDemand"}}})
    prometheus.wait_until_fired(("CamstreamOperatorErrors", ""))
    assert "camera/first: unexpected error" in watched.operator.log
    # Others are not concerned.
    watched.make_cameras("second")
    watched.cluster.wait_until_deployed("Camera", "default", "second")
    watched.proxy.before = lambda _: None
    watched.cluster.wait_for_reason("Camera", "default", "first", "Active", "Idle", 60)
    prometheus.wait_until_cleared()
