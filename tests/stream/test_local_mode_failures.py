"""`camstream run` when something breaks: workers, ports, files, the supervisor itself."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from local_runs import CAMSTREAM, alive, local_run, small_camera, small_pipeline, write
from ports import free_port
from terminals import on_a_terminal
from waiting import wait_for
from workers import reader

from camstream.spec.status import Phase
from camstream_cli.local.state import running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "manifests"
    found.mkdir()
    return found


def test_killed_worker_comes_back_at_the_same_address_for_the_same_client(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as run:
        before = run.wait_for_phase("cam", Phase.RUNNING)
        with reader(before.address or "") as stream:
            last = stream.message()
            os.kill(before.pid or 0, signal.SIGKILL)
            after = run.wait("cam", "started again", lambda view: view.restarts == 1 and view.phase == Phase.RUNNING)
            assert stream.until(lambda m: m.timestamp > last.timestamp).values["image"].shape == (48, 64)
        assert after.address == before.address
        assert after.pid != before.pid
        run.wait_for_output("it was killed by SIGKILL")


def test_hanging_worker_is_killed_at_the_end(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as run:
        hanging = run.wait_for_phase("cam", Phase.RUNNING).pid or 0
        os.kill(hanging, signal.SIGSTOP)
        assert run.stop(signal.SIGTERM) == 0
        assert not alive(hanging)


def test_killed_supervisor_leaves_no_worker_behind(tmp_path: Path, folder: Path) -> None:
    write(folder / "pair.yaml", small_camera(), small_pipeline())
    with local_run(tmp_path, str(folder)) as run:
        run.wait_for_phase("cam", Phase.RUNNING)
        run.wait_for_phase("pipe", Phase.RUNNING)
        assert run.stop(signal.SIGKILL) == -signal.SIGKILL
        wait_for("no worker is left", lambda: not run.workers_left(), timeout_s=5)
        assert run.camstream("status").stdout.startswith("nothing runs")
    assert list(run.state.iterdir()) == []


def test_end_of_the_log_of_a_failed_worker_is_shown(tmp_path: Path, folder: Path) -> None:
    camera = small_camera()
    camera["spec"]["source"] = {"hdf5": {"path": str(tmp_path / "missing.h5"), "dataset": "images"}}
    write(folder / "cam.yaml", camera)
    with local_run(tmp_path, str(folder)) as run:
        failed = run.wait("cam", "failed", lambda view: view.phase in (Phase.FAILED, Phase.WAITING) and view.message)
        assert "missing.h5" in failed.message
        run.wait_for_output("missing.h5")


def test_port_of_another_program_is_told_and_taken_when_it_is_free(tmp_path: Path, folder: Path) -> None:
    port = free_port()
    write(folder / "cam.yaml", small_camera(output={"port": port}))
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with local_run(tmp_path, str(folder)) as run:
            failed = run.wait_for_phase("cam", Phase.FAILED)
            assert f"tcp://127.0.0.1:{port} is in use" in failed.message
            run.wait_for_output(f"the end of {failed.log_file}")
            other.close()
            assert run.wait_for_phase("cam", Phase.RUNNING).restarts >= 1


def test_pipeline_that_is_done_stays_completed_until_it_is_edited(tmp_path: Path, folder: Path) -> None:
    file = write(folder / "pair.yaml", small_camera(), small_pipeline(selection={"records": 3}))
    with local_run(tmp_path, str(folder)) as run:
        done = run.wait("pipe", "ended", lambda view: view.phase == Phase.COMPLETED and view.pid is None)
        assert done.restarts == 0
        write(file, small_camera(), small_pipeline())
        run.wait_for_phase("pipe", Phase.RUNNING)


def test_private_pipeline_whose_script_fails_stays_failed_until_it_is_edited(tmp_path: Path, folder: Path) -> None:
    # Not at the first image: its worker has answered by then.
    script = "n = 0\ndef process_image(*_):\n    global n\n    n += 1\n    if n > 20:\n        raise ValueError('no beam')\n    return {}\n"
    private = {"failure": {"abortOnError": True}, "lifecycle": {"mode": "OnDemand", "deleteWhenIdle": True, "idleTimeoutSeconds": 600}}
    file = write(folder / "pair.yaml", small_camera(), small_pipeline(script={"source": script}, **private))
    with local_run(tmp_path, "--no-page", str(folder)) as run:
        failed = run.wait("pipe", "ended", lambda view: view.phase == Phase.FAILED and view.pid is None)
        assert "<script pipe>:6: ValueError: no beam" in failed.message
        assert "it is not tried again: edit the spec, or create it anew" in failed.message
        assert failed.restarts == 0
        write(file, small_camera(), small_pipeline(script={"source": "def process_image(*_):\n    return {}\n"}, **private))
        run.wait_for_phase("pipe", Phase.RUNNING)


def test_background_is_taken_up_when_it_appears(tmp_path: Path, folder: Path) -> None:
    backgrounds = tmp_path / "backgrounds"
    backgrounds.mkdir()
    write(folder / "pair.yaml", small_camera(externalName="SAT-CM-01"), small_pipeline(processing={"background": {}}))
    with local_run(tmp_path, "--backgrounds", str(backgrounds), str(folder)) as run:
        missing = run.wait("pipe", "told", lambda view: "there is no background of 'SAT-CM-01' yet" in view.message)
        assert {c.type: c.reason for c in missing.conditions}["BackgroundLoaded"] == "NotFound"
        np.save(tmp_path / "new.npy", np.full((48, 64), 7, np.uint16))
        (tmp_path / "new.npy").rename(backgrounds / "SAT-CM-01_20260821_120000_000000.npy")
        loaded = run.wait("pipe", "loaded", lambda view: {c.type: c.status for c in view.conditions}["BackgroundLoaded"] == "True")
        assert run.wait_for_phase("pipe", Phase.RUNNING).address == loaded.address


def test_two_runs_beside_each_other_are_both_found_and_do_not_share_a_port(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as first:
        mine = first.wait_for_phase("cam", Phase.RUNNING)
        with local_run(tmp_path, str(folder)) as second:
            wait_for("both runs", lambda: len(running(first.state)) == 2)
            addresses = {view.address for found in running(first.state) for view in found.objects}
            assert len(addresses) == 2
            assert mine.address in addresses
            refused = first.camstream("receive", "cam")
            assert refused.returncode == 1
            assert "is the name of several streams" in refused.stderr
            second.stop()
        assert first.views()["cam"].pid == mine.pid


def test_terminal_shows_a_live_table_and_ctrl_c_stops_everything(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    state = tmp_path / "state"
    with on_a_terminal({"CAMSTREAM_STATE": str(state)}, CAMSTREAM, "run", "--no-page", "--no-rest", str(folder)) as terminal:
        terminal.read_until("Running", "64x48 uint16", "camstream receive cam")
        worker = next(view.pid for found in running(state) for view in found.objects)
        code, rest = terminal.interrupt()
    assert code == 0
    assert "stopping ..." in rest
    assert worker is not None
    assert not alive(worker)
    assert list(state.iterdir()) == []


def test_reader_that_closes_the_output_ends_the_run_without_a_word(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    state = tmp_path / "state"
    command = [CAMSTREAM, "run", "--no-page", "--no-rest", str(folder)]
    environment = os.environ | {"CAMSTREAM_STATE": str(state)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(15) == 0
    assert list(state.iterdir()) == []
