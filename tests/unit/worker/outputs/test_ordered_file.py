"""What is on the disk after every single write: a file that h5py opens, of whole records."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from camstream.frame import Timestamp
from camstream.spec.output import FileLayout, FileOutput
from camstream_worker.counters import Counters
from camstream_worker.outputs.hdf5 import Hdf5Output
from camstream_worker.outputs.ordered_file import PAGE, lookup3

Values = dict[str, object]


class Disk:
    """Every write to a file since it got its name, and the bytes that are in it after each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes: list[tuple[int, bytes]] = []
        self._pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", self._spy)

    def _spy(self, fd: int, data: bytes, offset: int) -> int:
        self.writes.append((offset, bytes(data)))
        return self._pwrite(fd, data, offset)

    def take(self) -> list[tuple[int, bytes]]:
        taken, self.writes = self.writes, []
        return taken


class Image:
    """The bytes of a file whose writer is killed after each write."""

    def __init__(self, path: str) -> None:
        self.data = bytearray(Path(path).read_bytes())

    def states(self, writes: list[tuple[int, bytes]]) -> Iterator[None]:
        """After each write."""
        for offset, block in writes:
            if offset == 0:
                end = int.from_bytes(block[28:36], "little")
                self.data.extend(bytes(max(end - len(self.data), 0)))
            end = offset + len(block)
            self.data.extend(bytes(max(end - len(self.data), 0)))
            self.data[offset:end] = block
            yield

    def open(self) -> h5py.File:
        return h5py.File(io.BytesIO(bytes(self.data)), "r")


def output(root: Path, **spec: object) -> Hdf5Output:
    return Hdf5Output(FileOutput.model_validate({"path": "file"} | spec), root, None, Counters(), threading.Event())


def record(n: int) -> Values:
    return {
        "image": np.full((40, 40), n, np.uint16),  # a row that is a chunk
        "profile": np.full(30, n, np.float32),  # rows that share a chunk
        "number": n * 1.5,
        "text": f"record {n} " + "x" * (n % 700),
    }


def has_records(file: h5py.File, count: int, first: int = 0, group: str = "1") -> None:
    """Compare the first records with what was sent."""
    data = file[f"data{group}"]
    for name, dataset in ((name, data[name]["value"]) for name in data):
        assert len(dataset) in {count, count + 1}
        if name in {"image", "profile", "number", "text"} and count:
            found, expected = dataset[count - 1], record(first + count - 1)[name]
            assert found == expected.encode() if isinstance(expected, str) else np.array_equal(found, expected)
            if name != "image":
                found, expected = dataset[0], record(first)[name]
                assert found == expected.encode() if isinstance(expected, str) else np.array_equal(found, expected)
    assert file[f"header{group}/pulse_id"][:].tolist() == list(range(first, first + count))
    assert len(file[f"header{group}/global_timestamp"]) in {count, count + 1}


def all_rows(file: h5py.File, count: int) -> None:
    for name in record(0):
        found = file[f"data1/{name}/value"][:count]
        for n in range(count):
            expected = record(n)[name]
            assert found[n] == expected.encode() if isinstance(expected, str) else np.array_equal(found[n], expected)


def test_a_writer_that_is_killed_after_any_write_leaves_whole_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    out = output(tmp_path)
    image = Image(out.address)
    disk.take()
    splits = 0
    for n in range(150):
        assert out.send(record(n), n, Timestamp(n, 0))
        writes = disk.take()
        new_nodes = sum(block[:4] == b"TREE" != image.data[offset : offset + 4] for offset, block in writes)
        splits += n > 0 and new_nodes > 0
        every = n < 3 or new_nodes > 0
        for _ in image.states(writes):
            if every:
                with image.open() as file:
                    count = len(file["header1/pulse_id"])
                    assert count in {n, n + 1}
                    if n:
                        has_records(file, count)
        with image.open() as file:
            assert len(file["header1/pulse_id"]) == n + 1
            if every:
                all_rows(file, n + 1)
    assert splits >= 2, "the index of chunks never grew by a node, so nothing was tried"
    out.close()
    image.data[:] = Path(out.address).read_bytes()
    with image.open() as file:
        all_rows(file, 150)


def test_a_channel_that_appears_later_and_a_new_group_leave_whole_records_after_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    out = output(tmp_path, allowShapeChanges=True)
    image = Image(out.address)
    disk.take()

    def send(values: Values, pulse_id: int, check: Callable[[h5py.File], None]) -> None:
        assert out.send(values, pulse_id, Timestamp(pulse_id, 0))
        for _ in image.states(disk.take()):
            with image.open() as file:
                check(file)

    def first_group(file: h5py.File, at_least: int) -> int:
        count = len(file["header1/pulse_id"])
        assert count >= at_least
        if at_least:
            has_records(file, count)
        return count

    many = {f"later{i}": i for i in range(12)}  # more than a small group has room for
    for n in range(8):
        send(record(n) | (many if n > 5 else {}), n, lambda file, n=n: first_group(file, n))

    def two_groups(file: h5py.File, second: int) -> None:
        assert first_group(file, 8) == 8
        groups = int(file["general/datasets"][()])
        assert ("data2" in file) == ("header2" in file) == (groups == 2)
        if groups == 2:
            assert len(file["header2/pulse_id"]) >= second
            assert len(file["data2/image/value"]) >= len(file["header2/pulse_id"])

    for n in range(3):
        send(record(n) | {"image": np.full((50, 50), n, np.uint16)}, 8 + n, lambda file, n=n: two_groups(file, n))
    out.close()
    with h5py.File(out.address) as file:
        assert file["data1/later3/value"][:].tolist() == [0] * 6 + [3] * 2
        assert file["data2/image/value"].shape == (3, 50, 50)


@pytest.mark.parametrize("layout", list(FileLayout))
def test_what_a_reader_knows_is_never_changed_across_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: FileLayout):
    disk = Disk(monkeypatch)
    out = output(tmp_path, layout=layout)
    disk.take()
    seen = Path(out.address).stat().st_size
    for n in range(80):
        assert out.send(record(n), n, Timestamp(n, 0))
        for offset, block in disk.take():
            if offset == 0:
                seen = int.from_bytes(block[28:36], "little")
            assert offset >= seen or offset // PAGE == (offset + len(block) - 1) // PAGE
    out.close()


def test_the_check_sum_is_that_of_hdf5():
    memory = io.BytesIO()
    h5py.File(memory, "w", libver=("v108", "v110")).close()
    superblock = memory.getvalue()[:48]
    assert lookup3(superblock[:44]) == int.from_bytes(superblock[44:], "little")


@pytest.mark.parametrize(("text", "expected"), [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)])
def test_the_check_sum_is_that_which_its_author_published(text: bytes, expected: int):
    assert lookup3(text) == expected
