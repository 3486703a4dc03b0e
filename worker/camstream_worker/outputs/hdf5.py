"""The HDF5 file of a worker: one row per record in every dataset, readable at any moment, whole records or none."""

import errno
import getpass
import itertools
import logging
import os
import re
import secrets
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5f, h5o, h5s, h5t

from camstream.errors import FrameError, ShapeMismatch, SpecError
from camstream.frame import Timestamp
from camstream.spec.output import FileLayout, FileOutput, OnExisting
from camstream_worker.counters import Counters
from camstream_worker.outputs.ordered_file import PAGE, OrderedFile

log = logging.getLogger(__name__)

SUFFIXES = (".h5", ".hdf5")

CHUNK_OF = 2048
"""[bytes] Rows of at most this size share a chunk of one page; a larger row is a chunk of its own."""

_TEXT = h5py.string_dtype()
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NOT_IN_A_NAME = re.compile("[/\x00\ud800-\udfff]")


class Hdf5Output:
    """Writes records. Made, used and closed by one thread."""

    readers = None
    """A file has no clients to count."""

    def __init__(self, spec: FileOutput, root: Path, records: int | None, counters: Counters, stop: threading.Event) -> None:  # noqa: ARG002
        """
        :param root: folder below which the file must lie; must exist
        :param records: most records of the file; None: any number
        :param stop: as for every output; a file never waits
        :raises SpecError: if the file would lie outside of the root
        :raises FileExistsError: if it exists, and the spec says to refuse that
        :raises OSError: if it cannot be made
        """
        self._spec = spec
        self._records = records
        self._counters = counters
        self.problem = ""
        """Why records are lost at the moment; empty while all is well."""
        self._lost = 0
        self._written = 0
        self._datasets: dict[str, h5py.Dataset] = {}
        """What readers see, by path."""
        self._trees = 0
        target = confined(root, spec.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            self._below = OrderedFile(fd)
            self._file = _new_file(self._below)
            try:
                self._origin = {name: self._text(text) for name, text in _origin().items()}
                self._origin["pid"] = self._file.create_dataset(None, data=np.int64(os.getpid()))
                self._table = self._new_table(1)
                self._show()
                self._publish()
                path = _linked(hidden, target, spec.on_existing)
            except BaseException:
                self._drop_file()
                raise
        finally:
            hidden.unlink()
        self.address = str(path)

    def send(self, values: Mapping[str, Any], pulse_id: int, timestamp: Timestamp) -> bool:
        """Write one record whole, or drop it whole and count it.

        :returns: whether it is in the file
        :raises FrameError: if a value has no place in the file; nothing of the record is written
        """
        if self._records is not None and self._written >= self._records:
            self._counters.output_drops["file_complete"] += 1
            return False
        rows = {name: _row(name, value) for name, value in values.items() if value is not None}
        pulse, time = _row_of_unsigned("pulse id", pulse_id), _row_of_unsigned("timestamp", timestamp)
        try:
            self._make_room_for(rows)
            self._table.write(rows, pulse, time)
            self._publish()
        except OSError as error:
            self._refused(error)
            return False
        self._table.length += 1
        self._table.unsettled = False
        self._written += 1
        self._counters.sent += 1
        self._counters.bytes_sent += pulse.nbytes + time.nbytes + sum(_size(row) for row in rows.values())
        self._settled()
        return True

    def close(self) -> None:
        """Complete the file. Records that were told to be in it are, whatever happens here."""
        if self._below.closed:
            return
        try:
            self._take_back()
            self._below.finish()
        except OSError as error:
            log.warning("%s: not completed, but it can be read: %s", self.address, error)
        self._drop_file()

    # ------------------------------------------------------------------ disk

    def _publish(self) -> None:
        h5f.flush(self._file.id)
        self._below.publish()

    def _take_back(self) -> None:
        """Forget the record that the disk refused."""
        if self._table.unsettled:
            self._table.trim()
            self._publish()
            self._table.unsettled = False

    def _drop_file(self) -> None:
        # HDF5 would write its own idea of the file when it closes it.
        self._below.ended = True
        self._file.close()
        self._below.close()

    def _refused(self, error: OSError) -> None:
        reason = "disk_full" if error.errno in _NO_ROOM else "write_failed"
        self._counters.output_drops[reason] += 1
        self._lost += 1
        if not self.problem:
            what = "make room; writing goes on by itself" if reason == "disk_full" else "look after the disk"
            self.problem = f"{self.address}: a record cannot be written: {error.strerror or error}; {what}"
            log.warning("%s", self.problem)

    def _settled(self) -> None:
        if self.problem:
            log.warning("%s: written again, after %d lost records", self.address, self._lost)
            self.problem, self._lost = "", 0

    # ------------------------------------------------------------------ structure

    def _make_room_for(self, rows: Mapping[str, "_Row"]) -> None:
        """See to it that every value has a dataset that takes it."""
        wrong = next((name for name, row in rows.items() if not self._table.takes(name, row)), None)
        if wrong is not None:
            if not self._spec.allow_shape_changes:
                raise ShapeMismatch(
                    f"channel {wrong!r}: {self.address} holds {self._table.columns[wrong].form}, found {_found(rows[wrong])}; "
                    "set allowShapeChanges to go on in a new group of the file, or write another file"
                )
            number = self._table.number + 1
            self._check_paths(rows, number)
            self._take_back()
            self._table = self._new_table(number)
        new = {name: row for name, row in rows.items() if name not in self._table.columns}
        if not new:
            return
        self._check_paths(new, self._table.number)
        for name, row in new.items():
            self._add_column(name, row)
        if self._written:
            self._counters.header_changes += 1
        self._show()

    def _check_paths(self, names: Iterable[str], number: int) -> None:
        """Refuse names that would need the same place in the file."""
        taken = dict.fromkeys(self._datasets, "the file itself, or a channel before it,")
        if self._table.number != number:
            taken |= dict.fromkeys(_heads(self._spec.layout, number).values(), "the file itself")
        for name in names:
            for path in _places(self._spec.layout, name, number, self._spec.local_timestamps):
                for other, owner in taken.items():
                    if path == other or path.startswith(other + "/") or other.startswith(path + "/"):
                        raise FrameError(
                            f"channel {name!r}: {owner} has {other} in {self.address} already; rename the channel or take another layout"
                        )
            taken |= dict.fromkeys(_places(self._spec.layout, name, number, self._spec.local_timestamps), f"channel {name!r}")

    def _new_table(self, number: int) -> "_Table":
        heads = _heads(self._spec.layout, number)
        table = _Table(number, self._dataset(np.dtype(np.uint64), ()), self._dataset(np.dtype(np.uint64), (2,)))
        self._datasets |= {heads["pulse_id"]: table.pulse_id.dataset, heads["global_timestamp"]: table.timestamp.dataset}
        self._datasets |= {f"general/{name}": dataset for name, dataset in self._origin.items()}
        self._datasets["general/datasets"] = self._file.create_dataset(None, data=np.int64(number))
        self._below.last.add(h5o.get_info(table.pulse_id.dataset.id).addr)
        return table

    def _add_column(self, name: str, row: "_Row") -> None:
        dtype, shape = (_TEXT, ()) if isinstance(row, bytes) else (row.dtype, row.shape)
        value, *local = _places(self._spec.layout, name, self._table.number, self._spec.local_timestamps)
        self._table.columns[name] = self._dataset(dtype, shape)
        self._table.columns[name].resize(self._table.length)
        self._datasets[value] = self._table.columns[name].dataset
        # All values of a record have its timestamp: one dataset with many names.
        self._datasets |= dict.fromkeys(local, self._table.timestamp.dataset)

    def _dataset(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> "_Rows":
        size = dtype.itemsize * int(np.prod(shape))
        shared = PAGE // size if 0 < size <= CHUNK_OF else 1
        if self._records is not None:
            shared = min(shared, self._records)
        dataset = self._file.create_dataset(
            None,
            shape=(0, *shape),
            maxshape=(self._records, *(n or None for n in shape)),
            chunks=(shared, *(max(n, 1) for n in shape)),
            dtype=dtype,
            fillvalue=np.nan if dtype.kind == "f" else None,
        )
        return _Rows(
            dataset,
            dtype,
            shape,
            whole_chunks=size > CHUNK_OF,
            one=h5s.create_simple((1, *shape)),
            kind=h5t.py_create(dtype),
        )

    def _text(self, text: str) -> h5py.Dataset:
        return self._file.create_dataset(None, data=text, dtype=_TEXT)

    def _show(self) -> None:
        """Let readers see all datasets, by a new root: the old one is whole until the new one is."""
        self._trees += 1
        tree = self._file.create_group(str(self._trees))
        for path, dataset in self._datasets.items():
            tree[path] = dataset
        self._below.root = h5o.get_info(tree.id).addr


_Row = npt.NDArray[Any] | bytes
"""A number or an array; or a text, as UTF-8."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """A dataset of one row per record."""

    dataset: h5py.Dataset
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    """Of one row."""
    whole_chunks: bool
    """Whether a row is a chunk, which goes to the disk without a copy."""
    one: h5s.SpaceID
    """One row in memory."""
    kind: h5t.TypeID
    """Type in memory."""

    @property
    def form(self) -> str:
        return "text" if self.is_text else _form(self.dtype, self.shape)

    @property
    def is_text(self) -> bool:
        return bool(self.dtype.kind == "O")

    def takes(self, row: _Row) -> bool:
        if isinstance(row, bytes):
            return self.is_text
        return not self.is_text and self.shape == row.shape and np.can_cast(row.dtype, self.dtype, "safe")

    def resize(self, length: int) -> None:
        self.dataset.id.set_extent((length, *self.shape))

    def write(self, index: int, row: _Row) -> None:
        if isinstance(row, bytes):
            cells = np.empty(1, object)
            cells[0] = row
            self._write(index, cells)
            return
        cells = np.ascontiguousarray(row, self.dtype)
        if self.whole_chunks:
            self.dataset.id.write_direct_chunk((index, *(0 for _ in self.shape)), cells)
        elif cells.size:
            self._write(index, cells)

    def write_nothing(self, index: int) -> None:
        """Overwrite what may be there of a record that the disk refused."""
        self.write(index, b"" if self.is_text else np.full(self.shape, np.nan if self.dtype.kind == "f" else 0, self.dtype))

    def _write(self, index: int, cells: npt.NDArray[Any]) -> None:
        space = self.dataset.id.get_space()
        space.select_hyperslab((index, *(0 for _ in self.shape)), (1, *self.shape))
        self.dataset.id.write(self.one, space, cells, self.kind)


@dataclass(slots=True)
class _Table:
    """Datasets of one length: a group of the layouts."""

    number: int
    pulse_id: _Rows
    timestamp: _Rows
    columns: dict[str, _Rows] = field(default_factory=dict)
    length: int = 0
    """Records that are whole."""
    unsettled: bool = False
    """Whether behind them are parts of a record that the disk refused."""

    def takes(self, name: str, row: _Row) -> bool:
        return name not in self.columns or self.columns[name].takes(row)

    def write(self, rows: Mapping[str, _Row], pulse_id: npt.NDArray[Any], timestamp: npt.NDArray[Any]) -> None:
        index, again = self.length, self.unsettled
        self.unsettled = True
        self.extend(index + 1)
        self.pulse_id.write(index, pulse_id)
        self.timestamp.write(index, timestamp)
        for name, column in self.columns.items():
            if name in rows:
                column.write(index, rows[name])
            elif again:
                column.write_nothing(index)

    def extend(self, length: int) -> None:
        for rows in (self.pulse_id, self.timestamp, *self.columns.values()):
            rows.resize(length)

    def trim(self) -> None:
        self.extend(self.length)


def confined(root: Path, path: str) -> Path:
    """Return where a file lies, with the suffix of HDF5.

    :raises SpecError: if that is not below `root`, also by way of a symbolic link, or if there is no such folder
    """
    top = root.resolve()
    if not top.is_dir():
        raise SpecError(
            f"file {path!r}: there is no folder {root} on this machine; create it, or have the volume of the worker class mounted there"
        )
    if "\0" in path or any(part.startswith(".") or not part for part in path.split("/")):
        raise SpecError(
            f"file {path!r}: expected a path below {root}, no part of which begins with a dot; give a relative path such as run/scan.h5"
        )
    given = Path(path if path.endswith(SUFFIXES) else path + SUFFIXES[0])
    folder = (top / given).parent.resolve()
    if not folder.is_relative_to(top):
        raise SpecError(f"file {path!r}: a symbolic link leads out of {root} to {folder}; give a path that stays below it")
    return folder / given.name


def _linked(hidden: Path, target: Path, on_existing: OnExisting) -> Path:
    """Give a file its name without ever replacing another."""
    for number in itertools.count():
        path = target.with_stem(f"{target.stem}_{number}") if number else target
        try:
            os.link(hidden, path)
        except FileExistsError as error:
            if on_existing is OnExisting.REFUSE:
                raise FileExistsError(
                    errno.EEXIST,
                    "exists and is never overwritten; move it away, choose another path, or set onExisting to Number",
                    str(path),
                ) from error
        else:
            return path
    raise AssertionError


def _new_file(below: OrderedFile) -> h5py.File:
    """Make an empty file of a superblock of version 2, and open it as this program keeps it open."""
    # This version of HDF5's formats has small nodes without sums, and no mark of who has the file open.
    versions = ("v108", "v110")
    h5py.File(below, "w", libver=versions, fs_strategy="page", fs_page_size=PAGE, fs_persist=False).close()
    try:
        below.publish()
    except OSError:
        below.close()
        raise
    # Without a cache of chunks a row is written once, when it comes.
    return h5py.File(below, "r+", libver=versions, rdcc_nbytes=0)


def _origin() -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {"created": datetime.now().strftime("%d/%m/%Y %H:%M:%S.%f"), "user": user, "host": socket.gethostname()}


def _heads(layout: FileLayout, number: int) -> dict[str, str]:
    """Where the pulse ids and global timestamps of a group are."""
    if layout is FileLayout.BSH5:
        ending = "" if number == 1 else str(number)
        return {name: name + ending for name in ("pulse_id", "global_timestamp")}
    return {name: f"header{number}/{name}" for name in ("pulse_id", "global_timestamp")}


def _places(layout: FileLayout, channel: str, number: int, local_timestamps: bool) -> list[str]:
    """Where the values of a channel are, and its timestamps where they are wanted."""
    name = _NOT_IN_A_NAME.sub("_", channel)
    if name in {"", "."}:
        name = "_"
    if layout is FileLayout.BSH5:
        group = name if number == 1 else f"{name}{number}"
        places = [f"{group}/data", f"{group}/timestamp"]
    elif layout is FileLayout.FLAT:
        places = [f"data{number}/{name}", f"data{number}/{name}_timestamp"]
    else:
        places = [f"data{number}/{name}/value", f"data{number}/{name}/timestamp"]
    return places if local_timestamps else places[:1]


def _row(name: str, value: Any) -> _Row:
    if isinstance(value, str):
        # HDF5 ends a text at its first NUL.
        return value.replace("\0", "").encode(errors="replace")
    try:
        row = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise FrameError(f"channel {name!r}: a {type(value).__name__} that is no array: {error}") from error
    if row.dtype.kind not in "biuf" or row.dtype.itemsize > 8:
        raise FrameError(
            f"channel {name!r}: a file has no place for a {type(value).__name__} of {row.dtype}; give numbers, an array of them or a text"
        )
    return row


def _row_of_unsigned(name: str, value: object) -> npt.NDArray[np.uint64]:
    try:
        return np.array(value, np.uint64)
    except OverflowError as error:
        raise FrameError(f"{name} {value}: a file holds numbers from 0 to 2**64 - 1") from error


def _size(row: _Row) -> int:
    return len(row) if isinstance(row, bytes) else row.nbytes


def _form(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    return f"{dtype} of shape {shape}" if shape else str(dtype)


def _found(row: _Row) -> str:
    return "text" if isinstance(row, bytes) else _form(row.dtype, row.shape)
