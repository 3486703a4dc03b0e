"""The live page as a part of `camstream run`."""

import os
import signal
import socket
import urllib.request
from pathlib import Path

from local_runs import alive, gateway_of, local_run, small_camera, write
from waiting import wait_for


def test_run_serves_the_page_says_where_and_takes_it_along(tmp_path: Path) -> None:
    write(tmp_path / "cam.yaml", small_camera())
    with local_run(tmp_path, str(tmp_path / "cam.yaml"), page=True) as run:
        url = run.page()
        assert f"live page: {url}" in run.wait_for_output("live page")
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert b"camstream" in answer.read()
        pid = gateway_of(run.process.pid)
        assert pid is not None
        assert run.stop() == 0
        assert not alive(pid)


def test_run_goes_on_without_a_page_where_the_port_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "cam.yaml", small_camera())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with local_run(tmp_path, "--page-port", str(port), str(tmp_path / "cam.yaml"), page=True) as run:
            said = run.wait_for_output("no live page")
            assert f"port {port} on 127.0.0.1 is in use; choose another with --page-port" in said
            run.wait_for_phase("cam", "Running")
            assert run.stop() == 0


def test_page_that_is_killed_comes_back(tmp_path: Path) -> None:
    write(tmp_path / "cam.yaml", small_camera())
    with local_run(tmp_path, str(tmp_path / "cam.yaml"), page=True) as run:
        run.page()
        pid = gateway_of(run.process.pid)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        run.wait_for_output("the live page ended with exit code -9 and is started again")
        wait_for("another process", lambda: (gateway_of(run.process.pid) or pid) != pid)
        wait_for("its address", run.page)
        assert run.stop() == 0
