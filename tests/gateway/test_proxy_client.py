"""Every method of ProxyClient against `camstream run`."""

from collections.abc import Iterator

import pytest
from cam_server_clients import SIMULATION, Clients, cam_server_clients
from local_runs import small_camera, small_pipeline
from waiting import wait_for


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with cam_server_clients(tmp_path_factory.mktemp("proxy"), objects=(small_camera(), small_pipeline())) as found:
        found.cam.set_camera_config("simulation", SIMULATION)
        found.pipe.save_pipeline_config("saved", {"camera_name": "simulation"})
        found.run.wait_for_phase("pipe", "Running")
        yield found


def test_there_is_one_server_with_all_instances(clients: Clients) -> None:
    for proxy, url, name in ((clients.cam_proxy, clients.camera_url, "cam"), (clients.pipe_proxy, clients.pipeline_url, "pipe")):
        assert proxy.get_address() == url
        assert proxy.get_version() == clients.cam.get_version()
        servers = proxy.get_servers_info()
        assert name in servers[url]["instances"]
        assert servers[url]["load"] == len(servers[url]["instances"])
        assert name in proxy.get_status_info()[url]
        assert proxy.get_instances_info()[name]["host"] == url
        assert name in proxy.get_server_info()["active_instances"]


def test_servers_are_told_and_cannot_be_others(clients: Clients) -> None:
    proxy, url = clients.pipe_proxy, clients.pipeline_url
    config = proxy.get_config()
    assert list(config) == [url]
    assert proxy.set_config(config) == config
    with pytest.raises(ValueError, match=f"there is one server, {url}"):
        proxy.set_config({"http://other:8889": {}})


def test_permanent_instances_run_at_once_and_others_go_back_to_sleep(clients: Clients) -> None:
    proxy, pipe = clients.pipe_proxy, clients.pipe
    assert proxy.get_permanent_instances() == {"pipe": "pipe"}
    wanted = {"pipe": "pipe", "saved": "saved", "other": "saved", "unknown": "unknown"}
    assert proxy.set_permanent_instances(wanted) == {"pipe": "pipe", "saved": "saved", "other": "saved"}
    for name in ("saved", "other"):
        wait_for(f"{name} to run", lambda name=name: pipe.is_instance_running(name))
    assert "other" not in pipe.get_pipelines()
    assert proxy.set_permanent_instances({"pipe": "pipe"}) == {"pipe": "pipe"}
    for name in ("saved", "other"):
        clients.wait_until_stopped(pipe, name)
    cameras = clients.cam_proxy
    assert cameras.set_permanent_instances({"cam": "cam", "simulation": "simulation"}) == {"cam": "cam", "simulation": "simulation"}
    wait_for("the camera", lambda: clients.cam.is_instance_running("simulation"))
    cameras.set_permanent_instances({"cam": "cam"})


def test_logs_of_the_server_and_of_an_instance(clients: Clients) -> None:
    proxy = clients.pipe_proxy
    with pytest.raises(ValueError, match="'not there'"):
        clients.pipe.get_pipeline_config("not there")
    for told in (proxy.get_logs(), proxy.get_server_logs(0)):
        assert any("'not there'" in record[-1] for record in told)
    for text in (proxy.get_logs(txt=True), proxy.get_server_logs(0, txt=True)):
        assert "'not there'" in text
    assert any("stream tcp://" in record[-1] for record in proxy.get_instance_logs(0, "pipe"))
    assert "stream tcp://" in proxy.get_instance_logs(0, "pipe", txt=True)
