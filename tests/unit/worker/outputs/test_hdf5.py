"""The HDF5 file of a worker: layouts, missing and changed values, names, a full disk."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from small_disks import small_disk

from camstream.errors import FrameError, ShapeMismatch, SpecError
from camstream.frame import Timestamp
from camstream.spec.output import FileLayout, FileOutput
from camstream_worker.counters import Counters
from camstream_worker.outputs.hdf5 import Hdf5Output, confined

PICTURE = np.arange(12, dtype=np.uint16).reshape(3, 4)


class Recording:
    """An output with its counters."""

    def __init__(self, root: Path, records: int | None = None, **spec: object) -> None:
        self.counters = Counters()
        self.output = Hdf5Output(FileOutput.model_validate({"path": "run"} | spec), root, records, self.counters, threading.Event())
        self.path = Path(self.output.address)

    def send(self, pulse_id: int, **values: object) -> bool:
        return self.output.send(values, pulse_id, Timestamp(1_700_000_000 + pulse_id, pulse_id))

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self.output.close()


def datasets(path: Path) -> dict[str, Any]:
    """Every dataset of a file, by its path; opened as anybody would."""
    found: dict[str, Any] = {}

    def walk(group: h5py.Group, prefix: str) -> None:
        for name, thing in group.items():
            if isinstance(thing, h5py.Group):
                walk(thing, f"{prefix}{name}/")
            else:
                found[prefix + name] = thing[()]

    with h5py.File(path) as file:
        walk(file, "")
    return found


GENERAL = {f"general/{name}" for name in ("created", "user", "pid", "host", "datasets")}
PATHS = {
    FileLayout.DEFAULT: {"header1/pulse_id", "header1/global_timestamp", "data1/image/value", "data1/image/timestamp"},
    FileLayout.FLAT: {"header1/pulse_id", "header1/global_timestamp", "data1/image", "data1/image_timestamp"},
    FileLayout.BSH5: {"pulse_id", "global_timestamp", "image/data", "image/timestamp"},
}
SECOND = {
    FileLayout.DEFAULT: {"header2/pulse_id", "header2/global_timestamp", "data2/image/value", "data2/image/timestamp"},
    FileLayout.FLAT: {"header2/pulse_id", "header2/global_timestamp", "data2/image", "data2/image_timestamp"},
    FileLayout.BSH5: {"pulse_id2", "global_timestamp2", "image2/data", "image2/timestamp"},
}


@pytest.mark.parametrize("layout", list(FileLayout))
def test_a_layout_has_the_paths_and_types_of_cam_server(tmp_path: Path, layout: FileLayout):
    with Recording(tmp_path, layout=layout) as r:
        assert r.send(7, image=PICTURE)
        assert r.send(8, image=PICTURE + 1)
    found = datasets(r.path)
    assert set(found) == PATHS[layout] | GENERAL
    pulse_id, times, value, local = (next(v for k, v in found.items() if k == path) for path in sorted(PATHS[layout], key=_role))
    assert (pulse_id.dtype, pulse_id.tolist()) == (np.uint64, [7, 8])
    assert (times.dtype, times.tolist()) == (np.uint64, [[1_700_000_007, 7], [1_700_000_008, 8]])
    assert np.array_equal(local, times)
    assert (value.dtype, value.tolist()) == (np.uint16, [PICTURE.tolist(), (PICTURE + 1).tolist()])


def _role(path: str) -> int:
    return 0 if "pulse_id" in path else 1 if "global" in path else 3 if "timestamp" in path else 2


@pytest.mark.parametrize("layout", list(FileLayout))
def test_a_new_shape_starts_a_new_group_where_that_is_allowed(tmp_path: Path, layout: FileLayout):
    with Recording(tmp_path, layout=layout, allowShapeChanges=True) as r:
        assert r.send(1, image=PICTURE)
        assert r.send(2, image=PICTURE[:2])
        assert r.send(3, image=PICTURE[:2])
    found = datasets(r.path)
    assert set(found) == PATHS[layout] | SECOND[layout] | GENERAL
    assert found["general/datasets"] == 2
    assert [v.tolist() for k, v in found.items() if k.endswith("pulse_id")] + [
        v.tolist() for k, v in found.items() if k.endswith("pulse_id2")
    ] == [[1], [2, 3]]


@pytest.mark.parametrize("value", [PICTURE[:2], PICTURE + 0.5, "text", 3])
def test_a_new_shape_or_type_is_told_and_nothing_of_the_record_is_written(tmp_path: Path, value: object):
    with Recording(tmp_path) as r:
        assert r.send(1, number=1.5, image=PICTURE)
        with pytest.raises(ShapeMismatch, match=r"'image'.*uint16 of shape \(3, 4\), found .*allowShapeChanges"):
            r.send(2, number=2.5, image=value)
        assert r.send(3, number=3.5, image=PICTURE)
    found = datasets(r.path)
    assert found["header1/pulse_id"].tolist() == [1, 3]
    assert found["data1/number/value"].tolist() == [1.5, 3.5]


def test_a_number_that_fits_without_loss_is_no_change(tmp_path: Path):
    with Recording(tmp_path) as r:
        assert r.send(1, a=1.5, b=300)
        assert r.send(2, a=np.float32(0.5), b=np.uint8(3))
        with pytest.raises(ShapeMismatch, match=r"'b'.*int64, found float64"):
            r.send(3, a=1.0, b=0.5)
    assert datasets(r.path)["data1/b/value"].tolist() == [300, 3]


def test_who_wrote_the_file_is_in_it(tmp_path: Path):
    with Recording(tmp_path) as r:
        pass
    found = datasets(r.path)
    assert found["general/pid"] == os.getpid()
    assert found["general/datasets"] == 1
    created = found["general/created"].decode()
    assert [len(part) for part in created.replace("/", " ").replace(":", " ").replace(".", " ").split()] == [2, 2, 4, 2, 2, 2, 6]
    assert found["general/host"].decode() == os.uname().nodename
    assert found["general/user"]


def test_local_timestamps_can_be_left_out(tmp_path: Path):
    with Recording(tmp_path, localTimestamps=False) as r:
        assert r.send(1, image=PICTURE)
    assert not [path for path in datasets(r.path) if path.startswith("data1") and "timestamp" in path]


def test_texts_of_any_length_and_script_are_kept_whole(tmp_path: Path):
    texts = ["", "x" * 5000, "µm, Ångström, 测量", "a\0b", "half \ud800"]
    with Recording(tmp_path) as r:
        for n, text in enumerate(texts):
            assert r.send(n, text=text)
    with h5py.File(r.path) as file:
        assert file["data1/text/value"].asstr()[:].tolist() == [*texts[:3], "ab", "half ?"]


def test_every_type_of_a_stream_comes_back_as_it_was(tmp_path: Path):
    types = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", ">u2", ">f8")
    values = {f"one_{t}": np.ones((), t)[()] for t in types} | {f"many_{t}": np.ones((2, 700), t) for t in types}
    values |= {"empty": np.zeros((0, 3)), "list": [1, 2, 3]}
    with Recording(tmp_path) as r:
        for n in range(3):
            assert r.send(n, **values)
    found = datasets(r.path)
    for name, value in values.items():
        rows = found[f"data1/{name}/value"]
        assert rows.dtype == np.asarray(value).dtype
        assert rows.tolist() == [np.asarray(value).tolist()] * 3


def test_a_missing_value_keeps_the_rows_aligned(tmp_path: Path):
    with Recording(tmp_path) as r:
        assert r.send(1, real=1.5, whole=7, text="a", image=PICTURE, never=None)
        assert r.send(2, real=None, whole=None, text=None, image=None)
        assert r.send(3, real=3.5, late=np.float32(9))
    found = datasets(r.path)
    assert found["header1/pulse_id"].tolist() == [1, 2, 3]
    assert np.array_equal(found["data1/real/value"], [1.5, np.nan, 3.5], equal_nan=True)
    assert found["data1/whole/value"].tolist() == [7, 0, 0]
    assert found["data1/text/value"].tolist() == [b"a", b"", b""]
    assert found["data1/image/value"][:, 1, 1].tolist() == [5, 0, 0]
    assert np.array_equal(found["data1/late/value"], [np.nan, np.nan, 9], equal_nan=True)
    assert "data1/never/value" not in found


def test_with_a_number_of_records_the_file_holds_no_more_and_no_empty_rows(tmp_path: Path):
    with Recording(tmp_path, records=3) as r:
        assert [r.send(n, image=PICTURE, number=n) for n in range(5)] == [True, True, True, False, False]
        assert r.counters.output_drops == {"file_complete": 2}
    with Recording(tmp_path, records=1000) as unfinished:
        assert unfinished.send(1, image=PICTURE)
    assert datasets(r.path)["data1/number/value"].tolist() == [0, 1, 2]
    assert datasets(unfinished.path)["data1/image/value"].shape == (1, 3, 4)


def test_a_file_can_be_read_by_others_after_every_record(tmp_path: Path):
    with Recording(tmp_path) as r:
        assert datasets(r.path)["header1/pulse_id"].tolist() == []
        for n in range(20):
            assert r.send(n, image=PICTURE + n)
            found = datasets(r.path)
            assert found["header1/pulse_id"].tolist() == list(range(n + 1))
            assert found["data1/image/value"][:, 0, 0].tolist() == list(range(n + 1))


def test_what_was_sent_is_counted(tmp_path: Path):
    with Recording(tmp_path) as r:
        r.send(1, image=PICTURE, text="abc")
        r.send(2, image=PICTURE, text="abc", late=1)
    assert r.counters.sent == 2
    assert r.counters.bytes_sent == 2 * (8 + 16 + 24 + 3) + 8
    assert r.counters.header_changes == 1
    assert r.output.readers is None


@pytest.mark.parametrize(
    ("layout", "names"),
    [("Flat", ("a", "a_timestamp")), ("Bsh5", ("pulse_id",)), ("Default", ("a/b", "a_b"))],
)
def test_two_channels_that_need_one_place_are_told(tmp_path: Path, layout: str, names: tuple[str, ...]):
    with Recording(tmp_path, layout=layout) as r:
        with pytest.raises(FrameError, match=f"{names[-1]!r}: .* has .* already; rename the channel"):
            r.output.send(dict.fromkeys(names, 1.5), 1, Timestamp(1, 0))
        assert r.send(2, other=1.5)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "a\0b", "SARES11-CAM:FPICTURE", "µ"])
def test_any_channel_name_has_a_place(tmp_path: Path, name: str):
    with Recording(tmp_path) as r:
        assert r.send(1, **{name: 1.5})
    found = {path: value for path, value in datasets(r.path).items() if path.endswith("/value")}
    assert [(len(path.split("/")), value.tolist()) for path, value in found.items()] == [(3, [1.5])]


@pytest.mark.parametrize("value", [object(), {"a": 1}, b"raw", 1j, [1, [2, 3]], 2**70])
def test_a_value_without_a_place_is_told_by_name(tmp_path: Path, value: object):
    with Recording(tmp_path) as r:
        with pytest.raises(FrameError, match="'odd'"):
            r.send(1, number=1, odd=value)
        with pytest.raises(FrameError, match="pulse id -1"):
            r.send(-1, number=1)
        assert r.send(2, number=1)
    assert datasets(r.path)["data1/number/value"].tolist() == [1]


# ---------------------------------------------------------------------- names


def test_a_file_is_never_overwritten(tmp_path: Path):
    for expected in ("run.h5", "run_1.h5", "run_2.h5"):
        with Recording(tmp_path) as r:
            assert r.path.name == expected
            r.send(1, number=1)
    before = (tmp_path / "run.h5").read_bytes()
    with pytest.raises(FileExistsError, match="never overwritten; move it away"):
        Recording(tmp_path, onExisting="Refuse")
    assert (tmp_path / "run.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.h5", "run_1.h5", "run_2.h5"]


def test_folders_of_the_path_are_made(tmp_path: Path):
    with Recording(tmp_path, path="2026/11/scan.h5") as r:
        assert r.path == tmp_path / "2026/11/scan.h5"


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "a/..", "..", "", ".", "a/../b"])
def test_a_path_that_leads_out_of_the_folder_is_refused_by_the_model_and_by_the_writer(tmp_path: Path, path: str):
    with pytest.raises(ValueError, match="path"):
        FileOutput.model_validate({"path": path})
    with pytest.raises(SpecError, match="relative path"):
        confined(tmp_path, path)


def test_a_symbolic_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "in").symlink_to(root)
    with pytest.raises(SpecError, match="symbolic link leads out"):
        Recording(root, path="out/file")
    with pytest.raises(SpecError, match="symbolic link leads out"):
        Recording(root, path="out/deeper/file")
    with Recording(root, path="in/file") as r:
        assert r.path == root / "file.h5"
    (root / "link.h5").symlink_to(outside / "target.h5")
    with Recording(root, path="link") as r:
        assert r.path == root / "link_1.h5"
    assert not list(outside.iterdir())


# ---------------------------------------------------------------------- a full disk


@pytest.fixture(name="small_disk")
def small_disk_fixture(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    with small_disk(tmp_path / "small") as folder:
        yield folder


@pytest.mark.parametrize("size", [5, 100])
def test_a_full_disk_is_told_once_and_survived(small_disk: Path, caplog: pytest.LogCaptureFixture, size: int):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_800_000))
    kept: list[int] = []
    lost = 0

    def send(r: Recording, n: int) -> bool:
        # Every third record has no number: what a refused record left must not show through.
        return r.send(n, image=np.full((size, size), n, np.uint16), text=f"{n} " + "x" * 2000, number=n if n % 3 else None)

    def whole(r: Recording) -> None:
        found = datasets(r.path)
        assert found["header1/pulse_id"].tolist() == kept
        for i, n in enumerate(kept):
            assert (found["data1/image/value"][i] == n).all()
            assert found["data1/text/value"][i] == f"{n} ".encode() + b"x" * 2000
            assert found["data1/number/value"][i] == (n if n % 3 else 0)

    with Recording(small_disk) as r, caplog.at_level(logging.WARNING):
        n = 0
        for _ in range(2):
            while send(r, n):
                kept.append(n)
                n += 1
            lost += 1
            for _ in range(19):
                n += 1
                lost += not send(r, n)
            n += 1
            assert "make room" in r.output.problem
            assert str(r.path) in r.output.problem
            assert "No space left" in r.output.problem
            whole(r)
            with ballast.open("r+b") as file:
                file.truncate(max(file.seek(0, os.SEEK_END) - 200_000, 0))
            assert send(r, n)
            kept.append(n)
            n += 1
            assert not r.output.problem
            whole(r)
        assert r.counters.output_drops == {"disk_full": lost}
        assert r.counters.sent == len(kept)
    told = [record.getMessage() for record in caplog.records]
    assert [("cannot be written" in line, "written again" in line) for line in told] == [(True, False), (False, True)] * 2
    whole(r)


def test_a_disk_that_stays_full_leaves_a_file_that_is_complete_up_to_there(small_disk: Path):
    with Recording(small_disk, allowShapeChanges=True) as r:
        n = 0
        while r.send(n, image=np.full((100, 100), n, np.uint16)):
            n += 1
        for shape in (120, 140):
            assert not r.send(n, image=np.zeros((shape, shape)), other=1)
    found = datasets(r.path)
    assert found["header1/pulse_id"].tolist() == list(range(n))
    assert found["data1/image/value"][:, 5, 5].tolist() == list(range(n))


def test_a_disk_that_is_full_from_the_start_is_an_error_and_leaves_nothing(small_disk: Path):
    (small_disk / "ballast").write_bytes(bytes(2 * 2**20))
    with pytest.raises(OSError, match="No space left"):
        Recording(small_disk)
    assert list(small_disk.iterdir()) == [small_disk / "ballast"]
