"""Backgrounds of `camstream run`: from the manifest to the pipeline that subtracts it, and what the next run knows of them."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local_runs import gateway_of, local_run, manifest, small_camera, small_pipeline, write
from small_disks import small_disk
from waiting import wait_for
from workers import reader

from camstream.spec.status import Phase
from camstream.spec.view import ObjectView

STILL = {"pattern": "StaticBeam"}
FOREVER = {"frames": 100_000, "timeoutSeconds": 3600}


def background(name: str = "dark", camera: str = "cam", **spec: Any) -> dict[str, Any]:
    return manifest("Background", name, {"camera": {"name": camera}, "frames": 3} | spec)


def reason(view: ObjectView) -> str:
    return next(found.reason for found in view.conditions if found.type == "Ready")


def files(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.npy"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "backgrounds"


def test_background_of_a_manifest_is_collected_and_subtracted(tmp_path: Path, store: Path) -> None:
    pipeline = small_pipeline(processing={"background": {}})
    objects = write(tmp_path / "all.yaml", small_camera(externalName="SAT-CM-01", simulation=STILL), pipeline, background())
    with local_run(tmp_path, "--backgrounds", str(store), str(objects), page=True) as run:
        view = run.wait_for_phase("dark", Phase.COMPLETED)
        assert (reason(view), view.image.size, [view.stored]) == ("Stored", "64x48", files(store))
        assert (view.stored or "").startswith("SAT-CM-01_")
        pipe = run.wait("pipe", "loaded", lambda view: {c.type: c.status for c in view.conditions}["BackgroundLoaded"] == "True")
        with reader(pipe.address or "") as stream:
            stream.until(lambda message: not np.any(message.values["image"]))
        rows = [line.split() for line in run.camstream("status").stdout.splitlines()]
        assert ["dark", "Background", "Completed", "-", "64x48", "uint16", "-", "-", view.stored] in rows
        details = run.camstream("status", "background/dark").stdout
        assert "Stored" in details
        assert "clients" not in details
        run.wait_for_output(f"background/dark Completed {view.stored}")
        # The page shows streams, and `receive` looks for one.
        assert "no stream named 'dark'" in run.camstream("receive", "dark").stderr


def test_next_run_knows_what_is_collected_already(tmp_path: Path, store: Path) -> None:
    objects = write(tmp_path / "all.yaml", small_camera(), background("first"), background("second"), background("third"))

    def ids(run: Any) -> dict[str, str | None]:
        return {name: run.wait_for_phase(name, Phase.COMPLETED).stored for name in ("first", "second", "third")}

    with local_run(tmp_path, "--backgrounds", str(store), str(objects), page=True) as run:
        before = ids(run)
        assert sorted(map(str, before.values())) == files(store)
        assert len(files(store)) == 3
        assert run.stop() == 0
    # Of the second the file is taken away, and the third is another request now.
    (store / f"{before['second']}.npy").unlink()
    write(objects, small_camera(), background("first"), background("second"), background("third", frames=4))
    with local_run(tmp_path, "--backgrounds", str(store), str(objects), page=True) as run:
        after = ids(run)
        assert after["first"] == before["first"]
        assert not {after["second"], after["third"]} & set(before.values())
        assert files(store) == sorted({*map(str, before.values()), *map(str, after.values())} - {str(before["second"])})


def test_background_that_is_taken_out_and_put_in_again_is_collected_anew(tmp_path: Path, store: Path) -> None:
    objects = write(tmp_path / "all.yaml", small_camera(), background())
    with local_run(tmp_path, "--backgrounds", str(store), str(objects), page=True) as run:
        first = run.wait_for_phase("dark", Phase.COMPLETED).stored
        write(objects, small_camera(), background(frames=4))
        run.wait("dark", "stays", lambda view: "spec.frames cannot change, so the object stays as it was" in view.message)
        write(objects, small_camera())
        run.wait_until_gone("dark")
        write(objects, small_camera(), background(frames=4))
        second = run.wait_for_phase("dark", Phase.COMPLETED).stored
        assert files(store) == [first, second]


def test_killed_gateway_goes_on_with_the_same_background(tmp_path: Path, store: Path) -> None:
    objects = write(tmp_path / "all.yaml", small_camera(), background(**FOREVER))
    with local_run(tmp_path, "--backgrounds", str(store), str(objects), page=True) as run:
        before = run.wait("dark", "collects", lambda view: view.phase == Phase.RUNNING and view.stored).stored
        # As if it had been killed after the file was written and before that was told.
        store.mkdir()
        np.save(store / f"{before}.npy", np.zeros((48, 64), np.uint16))
        gateway = wait_for("the gateway", lambda: gateway_of(run.process.pid))
        os.kill(gateway or 0, signal.SIGKILL)
        assert run.wait_for_phase("dark", Phase.COMPLETED).stored == before
        assert files(store) == [before]


def test_image_that_changes_its_size_and_a_store_that_cannot_be_written_are_told(tmp_path: Path, store: Path) -> None:
    objects = write(tmp_path / "all.yaml", small_camera(), background("shape", **FOREVER))
    with local_run(tmp_path, "--backgrounds", str(store), str(objects), page=True) as run:
        run.wait_for_phase("shape", Phase.RUNNING)
        run.wait_for_phase("cam", Phase.RUNNING)
        narrow = small_camera(simulation={"width": 32})
        write(objects, narrow, background("shape", **FOREVER))
        assert reason(run.wait_for_phase("shape", Phase.FAILED)) == "ShapeChanged"
        assert not store.exists()
        store.write_text("no folder")
        write(objects, narrow, background())
        view = run.wait_for_phase("dark", Phase.FAILED)
        assert reason(view) == "StorageFailed"
        assert view.message == "the folder of the backgrounds cannot be looked at: Not a directory; look at the store"
        # Failed ones are tried again by the next run.
        store.unlink()
        assert run.stop() == 0
    with local_run(tmp_path, "--backgrounds", str(store), str(objects), page=True) as run:
        assert [run.wait_for_phase("dark", Phase.COMPLETED).stored] == files(store)


def test_full_disk_is_told_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    objects = write(tmp_path / "all.yaml", small_camera(), background())
    with small_disk(tmp_path / "small") as disk:
        room = os.statvfs(disk)
        (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize))
        with local_run(tmp_path, "--backgrounds", str(disk), str(objects), page=True) as run:
            view = run.wait_for_phase("dark", Phase.FAILED)
            assert reason(view) == "StorageFull"
            assert "No space left on device; nothing was kept" in view.message
            assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_without_a_gateway_a_background_waits(tmp_path: Path, store: Path) -> None:
    objects = write(tmp_path / "all.yaml", small_camera(), background())
    with local_run(tmp_path, "--backgrounds", str(store), str(objects)) as run:
        assert "waits for the gateway" in run.wait_for_phase("dark", Phase.PENDING).message
