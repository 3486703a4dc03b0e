"""PSI's own client of cam_server, unmodified, against a real `camstream run`."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cam_server_client import CamClient, PipelineClient, ProxyClient
from local_runs import LocalRun, local_run, write
from waiting import wait_for

SIMULATION = {"source": "", "source_type": "simulation", "size_x": 64, "size_y": 48, "dtype": "uint16", "frame_rate": 20}
"""A camera of 64 x 48 pixels at 20 Hz."""

OFFLINE = {"source": "NOBODY-HAS-THIS", "source_type": "epics"}


@dataclass
class Clients:
    """Clients of one run."""

    run: LocalRun
    folder: Path
    """With manifests, backgrounds, scripts and files in it."""
    camera_url: str
    pipeline_url: str

    def __post_init__(self) -> None:
        self.cam, self.pipe = CamClient(self.camera_url), PipelineClient(self.pipeline_url)
        self.cam_proxy, self.pipe_proxy = ProxyClient(self.camera_url), ProxyClient(self.pipeline_url)

    def ask(self, url: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """A request by hand, and the JSON of its answer."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def wait_until_stopped(self, client: CamClient | PipelineClient, name: str) -> None:
        wait_for(f"{name} to stop", lambda: not client.is_instance_running(name), timeout_s=40, pause_s=0.1)


@contextmanager
def cam_server_clients(folder: Path, *options: str, objects: tuple[dict[str, Any], ...] = ()) -> Iterator[Clients]:
    """Clients of a run that begins with these objects."""
    manifests = folder / "manifests"
    manifests.mkdir()
    write(manifests / "objects.yaml", *objects)
    places = [word for what in ("backgrounds", "scripts", "files") for word in (f"--{what}", str(folder / what))]
    with local_run(folder, *places, *options, str(manifests), rest=True) as run:
        camera_url, pipeline_url = run.rest()
        yield Clients(run, folder, camera_url.rstrip("/"), pipeline_url.rstrip("/"))
