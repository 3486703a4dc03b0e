"""What is taken for an array, and what a pickle may not do."""

import io
import os
import pickle
import pickletools
from typing import Any

import numpy as np
import pytest

from camstream_gateway.uploads import UploadError, array_from

PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def npy(array: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def test_array_in_the_format_of_numpy_is_read_without_any_flag() -> None:
    assert np.array_equal(array_from(npy(PIXELS), allow_pickle=False), PIXELS)


def test_damaged_array_is_refused() -> None:
    with pytest.raises(UploadError, match="damaged"):
        array_from(npy(PIXELS)[:-3], allow_pickle=True)


def test_header_that_tells_of_more_than_any_memory_is_refused_in_words() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 30, 1 << 24)})
    with pytest.raises(UploadError, match="tell of a larger one"):
        array_from(header.getvalue(), allow_pickle=False)


def test_objects_in_the_format_of_numpy_are_refused() -> None:
    with pytest.raises(UploadError, match="damaged"):
        array_from(npy(np.array([{}], dtype=object)), allow_pickle=True)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">i4", "float32", "float64"])
def test_pickle_of_a_plain_array_is_read_where_it_is_allowed(protocol: int, dtype: str) -> None:
    array = PIXELS.astype(dtype)
    found = array_from(pickle.dumps(array, protocol), allow_pickle=True)
    assert np.array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=")


def test_pickle_is_not_even_looked_at_without_the_flag() -> None:
    with pytest.raises(UploadError, match="--allow-pickle"):
        array_from(pickle.dumps(PIXELS), allow_pickle=False)


class Command:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "thing",
    [
        Command(os.system, "exit 1"),
        Command(eval, "1"),
        Command(getattr, "text", "upper"),
        Command(np.load, "/etc/hostname"),
        [1, 2],
        "text",
        np.array([{}], dtype=object),
        np.uint16(3),
    ],
    ids=["command", "eval", "getattr", "load", "list", "text", "objects", "number"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_everything_else_in_a_pickle_is_refused_and_not_called(thing: Any, protocol: int) -> None:
    with pytest.raises(UploadError):
        array_from(pickle.dumps(thing, protocol), allow_pickle=True)


def test_pickle_cannot_ask_for_memory_that_it_does_not_bring() -> None:
    huge = pickle.dumps(PIXELS, 0).replace(b"(I0\ntp", b"(I1000000000000\ntp", 1)
    assert huge != pickle.dumps(PIXELS, 0)
    with pytest.raises(UploadError, match="another form"):
        array_from(huge, allow_pickle=True)
    # Index 2**31 of the memo, for which the reader in C would make a table of 16 GiB.
    with pytest.raises(UploadError):
        array_from(b"\x80\x02]r\xff\xff\xff\x7f.", allow_pickle=True)


def test_pickle_cannot_decode_what_unpacks() -> None:
    bomb = b"c_codecs\nencode\n(V" + b"0" * 10 + b"\nVzip\ntR."
    assert list(pickletools.genops(bomb))
    with pytest.raises(UploadError, match="latin1"):
        array_from(bomb, allow_pickle=True)


@pytest.mark.parametrize("data", [b"", b".", b"\x80\x04", b"not a pickle", b"\x93NUMPY"])
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(UploadError, match="expected"):
        array_from(data, allow_pickle=True)
