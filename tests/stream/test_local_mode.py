"""`camstream run` with real workers: what a user sees when all is well, and when manifests are edited."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bsread import SUB, Source
from local_runs import CAMSTREAM, LocalRun, alive, local_run, small_camera, small_pipeline, write
from ports import free_port
from terminals import on_a_terminal
from waiting import wait_for
from workers import reader

from camstream.spec.status import Phase
from camstream.spec.view import ObjectView


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "manifests"
    found.mkdir()
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """A camera and its pipeline, running; only to be looked at."""
    place = tmp_path_factory.mktemp("pair")
    write(place / "pair.yaml", small_camera(externalName="SAT-CM-01"), small_pipeline())
    with local_run(place, str(place / "pair.yaml")) as run:
        run.wait_for_phase("cam", Phase.RUNNING)
        run.wait("pipe", "frames", lambda view: view.phase == Phase.RUNNING and view.image.width and view.rate)
        yield run


def condition(view: ObjectView, kind: str) -> tuple[str, str]:
    found = next(c for c in view.conditions if c.type == kind)
    return found.status.value, found.reason


def test_frames_of_camera_and_pipeline_arrive(pair: LocalRun) -> None:
    views = pair.views()
    with reader(views["cam"].address or "") as camera, reader(views["pipe"].address or "") as pipeline:
        assert camera.message().values["image"].shape == (48, 64)
        assert np.isfinite(pipeline.message().values["x_fit_mean"])


def test_frames_arrive_at_a_reader_of_psi_bsread(pair: LocalRun) -> None:
    port = int((pair.views()["pipe"].address or "").rsplit(":", 1)[1])
    with Source(host="127.0.0.1", port=port, mode=SUB) as stream:
        first, second = stream.receive(), stream.receive()
    assert first.data.data["image"].value.shape == (48, 64)
    assert second.data.pulse_id > first.data.pulse_id


def test_status_as_json_is_a_list_of_objects(pair: LocalRun) -> None:
    result = pair.camstream("status", "--output", "json")
    found = {entry["name"]: entry for entry in json.loads(result.stdout)}
    assert {(e["kind"], e["name"], e["phase"]) for e in found.values()} == {("Camera", "cam", "Running"), ("Pipeline", "pipe", "Running")}
    views = pair.views()
    assert found["cam"]["address"] == views["cam"].address
    assert found["cam"]["externalName"] == "SAT-CM-01"
    assert found["pipe"]["rate"] > 0
    assert {c["type"]: c["status"] for c in found["pipe"]["conditions"]}["Ready"] == "True"


def test_status_shows_a_table_and_one_object_in_full(pair: LocalRun) -> None:
    table = pair.camstream("status").stdout
    assert "64x48 uint16" in table
    full = pair.camstream("status", "SAT-CM-01").stdout
    assert "cam" in full
    assert "InputConnected" in full


def test_status_of_an_unknown_name_is_an_error(pair: LocalRun) -> None:
    result = pair.camstream("status", "nobody")
    assert result.returncode == 1
    assert result.stderr == "camstream: nothing named 'nobody' runs on this machine; `camstream status` shows what does\n"


def test_receive_by_name_shows_that_many_messages(pair: LocalRun) -> None:
    result = pair.camstream("receive", "SAT-CM-01", "--count", "3")
    *messages, summary = result.stdout.splitlines()
    assert result.returncode == 0
    assert len(messages) == 3
    assert all("image 64x48 uint16" in line for line in messages)
    assert summary.startswith("3 messages")


def test_receive_on_a_terminal_shows_the_image_and_numbers_until_ctrl_c(pair: LocalRun) -> None:
    with on_a_terminal({"CAMSTREAM_STATE": str(pair.state)}, CAMSTREAM, "receive", "pipe") as terminal:
        terminal.read_until("▀▀▀", "x_fit_mean", "intensity", "age")
        terminal.read_until("age")  # the next one
        code, rest = terminal.interrupt()
    assert code == 130
    assert "MB/s" in rest
    assert "Traceback" not in rest


def test_user_is_told_what_to_do_next(pair: LocalRun) -> None:
    text = pair.wait_for_output("camstream status")
    assert "camstream receive pipe" in text
    assert f"receive -s {pair.views()['pipe'].address}" in text


def test_live_edit_is_applied_in_the_running_worker(tmp_path: Path, folder: Path) -> None:
    file = write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as run:
        before = run.wait_for_phase("cam", Phase.RUNNING)
        with reader(before.address or "") as stream:
            stream.message()
            write(file, small_camera(simulation={"width": 32}))
            assert stream.until(lambda m: m.values["image"].shape == (48, 32)) is not None
        after = run.wait("cam", "applied", lambda view: condition(view, "ConfigApplied")[0] == "True" and view.image.width == 32)
        assert (after.pid, after.restarts) == (before.pid, 0)


def test_rollout_edit_gives_a_new_worker_at_the_same_address(tmp_path: Path, folder: Path) -> None:
    file = write(folder / "cam.yaml", small_camera(), small_pipeline())
    with local_run(tmp_path, str(folder)) as run:
        before = run.wait_for_phase("cam", Phase.RUNNING)
        pipeline = run.wait_for_phase("pipe", Phase.RUNNING)
        with reader(before.address or "") as stream:
            stream.message()
            write(file, small_camera(output={"compression": "BitshuffleLz4"}), small_pipeline())
            message = stream.until(lambda m: {c.name: c.compression for c in m.header}["image"] not in (None, "none"))
            assert message.values["image"].shape == (48, 64)
        after = run.wait_for_phase("cam", Phase.RUNNING)
        assert after.address == before.address
        assert after.pid != before.pid
        assert after.restarts == 0
        assert run.views()["pipe"].pid == pipeline.pid


def test_edit_of_an_immutable_field_is_refused_and_the_old_object_goes_on(tmp_path: Path, folder: Path) -> None:
    file = write(folder / "cam.yaml", small_camera(externalName="A"))
    with local_run(tmp_path, str(folder)) as run:
        before = run.wait_for_phase("cam", Phase.RUNNING)
        write(file, small_camera(externalName="B"))
        refused = run.wait("cam", "refused", lambda view: condition(view, "Accepted")[0] == "False")
        assert condition(refused, "Accepted")[1] == "ImmutableField"
        assert "spec.externalName cannot change" in refused.message
        assert (refused.pid, refused.phase, refused.external_name) == (before.pid, Phase.RUNNING, "A")
        write(file, small_camera(externalName="A"))
        run.wait("cam", "accepted", lambda view: condition(view, "Accepted")[0] == "True")


def test_broken_edit_is_shown_and_what_ran_before_goes_on(tmp_path: Path, folder: Path) -> None:
    file = write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as run:
        before = run.wait_for_phase("cam", Phase.RUNNING)
        write(file, small_camera(simulation={"width": -1}))
        text = run.wait_for_output("cam.yaml:")
        assert "spec.source.simulation.width" in text
        assert run.views()["cam"].pid == before.pid
        assert "spec.source.simulation.width" in run.camstream("status").stdout
        write(file, small_camera(simulation={"width": 32}))
        run.wait("cam", "repaired", lambda view: view.image.width == 32 and view.pid == before.pid)
        run.wait_for_output("all manifests are right again")


def test_broken_file_does_not_hold_up_the_others(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as run:
        run.wait_for_phase("cam", Phase.RUNNING)
        (folder / "cam.yaml").write_text("apiVersion: [")
        run.wait_for_output("broken YAML")
        write(folder / "other.yaml", small_camera("other"))
        run.wait_for_phase("other", Phase.RUNNING)
        assert run.views()["cam"].phase == Phase.RUNNING


def test_added_file_starts_and_deleted_file_stops(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as run:
        run.wait_for_phase("cam", Phase.RUNNING)
        write(folder / "other.yaml", small_camera("other"))
        other = run.wait_for_phase("other", Phase.RUNNING)
        (folder / "other.yaml").unlink()
        run.wait_until_gone("other")
        wait_for("the worker is gone", lambda: not alive(other.pid or 0))
        run.wait_for_output("camera/other removed")
        assert run.views()["cam"].phase == Phase.RUNNING


def test_deleted_camera_leaves_a_pipeline_that_says_what_it_misses(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    write(folder / "pipe.yaml", small_pipeline())
    with local_run(tmp_path, str(folder)) as run:
        run.wait_for_phase("pipe", Phase.RUNNING)
        (folder / "cam.yaml").unlink()
        run.wait_until_gone("cam")
        broken = run.wait("pipe", "told", lambda view: condition(view, "Accepted")[1] == "CameraNotFound")
        assert "reads camera 'cam', which does not exist" in broken.message
        write(folder / "cam.yaml", small_camera())
        run.wait("pipe", "frames again", lambda view: view.phase == Phase.RUNNING and not view.message)


def test_stopped_object_has_no_worker_and_keeps_its_address(tmp_path: Path, folder: Path) -> None:
    file = write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, str(folder)) as run:
        before = run.wait_for_phase("cam", Phase.RUNNING)
        write(file, small_camera(lifecycle={"mode": "Stopped"}))
        stopped = run.wait("cam", "stopped", lambda view: view.phase == Phase.STOPPED and view.pid is None)
        assert stopped.address == before.address
        wait_for("the worker is gone", lambda: not alive(before.pid or 0))
        write(file, small_camera())
        assert run.wait_for_phase("cam", Phase.RUNNING).address == before.address


def test_interrupt_leaves_no_process_no_file_and_no_port(tmp_path: Path, folder: Path) -> None:
    write(folder / "pair.yaml", small_camera(), small_pipeline())
    with local_run(tmp_path, str(folder)) as run:
        ports = [int((run.wait_for_phase(name, Phase.RUNNING).address or "").rsplit(":", 1)[1]) for name in ("cam", "pipe")]
        assert run.stop(signal.SIGINT) == 0
        assert run.workers_left() == []
    assert run.text().endswith("stopping ...\n")
    assert list(run.state.iterdir()) == []
    for port in ports:
        with socket.socket() as probe:
            # As every server does: what is left of closed connections is no obstacle, somebody who listens is.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            probe.listen()


def test_interrupt_while_the_workers_still_start_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    write(folder / "pair.yaml", small_camera(), small_pipeline())
    with local_run(tmp_path, str(folder)) as run:
        run.wait("pipe", "a process", lambda view: view.pid)
        assert run.stop(signal.SIGINT) == 0
        assert run.workers_left() == []
    assert list(run.state.iterdir()) == []


def test_run_ends_by_itself_after_its_duration(tmp_path: Path, folder: Path) -> None:
    write(folder / "cam.yaml", small_camera())
    with local_run(tmp_path, "--duration", "0.5", str(folder)) as run:
        assert run.process.wait(20) == 0
    assert list(run.state.iterdir()) == []


def test_broken_manifest_at_the_start_is_refused_with_its_line(tmp_path: Path, folder: Path) -> None:
    file = folder / "cam.yaml"
    file.write_text("apiVersion: camstream.dev/v1alpha1\nkind: Camera\nmetadata: {name: cam}\nspec:\n  source: {simulatoin: {}}\n")
    with local_run(tmp_path, str(folder)) as run:
        assert run.process.wait(20) == 1
    assert f"{file}:5" in run.text()
    assert not run.state.exists()


def test_folder_without_anything_to_run_is_refused(tmp_path: Path, folder: Path) -> None:
    (folder / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    with local_run(tmp_path, str(folder)) as run:
        assert run.process.wait(20) == 1
    assert run.text() == f"camstream: there is no Camera or Pipeline in {folder}\n"


def test_fixed_port_is_used_and_moves_with_an_edit(tmp_path: Path, folder: Path) -> None:
    first, second = free_port(), free_port()
    file = write(folder / "pair.yaml", small_camera(output={"port": first}), small_pipeline())
    with local_run(tmp_path, str(folder)) as run:
        assert run.wait_for_phase("cam", Phase.RUNNING).address == f"tcp://127.0.0.1:{first}"
        pipeline = run.wait_for_phase("pipe", Phase.RUNNING)
        write(file, small_camera(output={"port": second}), small_pipeline())
        run.wait("cam", "moved", lambda view: view.address == f"tcp://127.0.0.1:{second}" and view.phase == Phase.RUNNING)
        with reader(pipeline.address or "") as stream:
            assert len(stream.messages(20)) == 20
        assert run.wait_for_phase("pipe", Phase.RUNNING).pid == pipeline.pid


def test_status_says_so_when_nothing_runs(tmp_path: Path) -> None:
    write(tmp_path / "cam.yaml", small_camera())
    with local_run(tmp_path, "--duration", "0.1", str(tmp_path / "cam.yaml")) as run:
        run.process.wait(20)
    assert json.loads(run.camstream("status", "--output", "json").stdout) == []
    table = run.camstream("status")
    assert (table.returncode, table.stdout) == (0, "nothing runs on this machine; start something with `camstream run PATH...`\n")
