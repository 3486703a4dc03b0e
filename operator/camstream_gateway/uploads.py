"""Arrays that clients upload: ``.npy``, or a pickle of a plain array where that is allowed."""

import io
import pickle
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from camstream.errors import CamstreamError

NPY: Final = b"\x93NUMPY"

SETTING: Final = "--allow-pickle (gateway.allowPickle of the chart)"


class UploadError(CamstreamError):
    """What was uploaded cannot be used."""


def array_from(data: bytes, allow_pickle: bool) -> npt.NDArray[Any]:
    """The array that was uploaded.

    :raises UploadError: if it is none, or a pickle where these are not allowed
    """
    if data.startswith(NPY):
        try:
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
        except (ValueError, EOFError, OSError) as error:
            raise UploadError(f"expected an array in numpy's format .npy, found a damaged one: {error}") from error
        except MemoryError as error:
            # numpy makes the array that the header tells of before it looks whether there is one.
            raise UploadError(f"expected an array in numpy's format .npy, found {len(data)} bytes that tell of a larger one") from error
    if not allow_pickle:
        raise UploadError(
            "expected an array in numpy's format .npy (numpy.save), found something else; pickles, as the cam_server client sends them, "
            f"are read with {SETTING} only"
        )
    return _unpickled(data)


def _unpickled(data: bytes) -> npt.NDArray[Any]:
    try:
        found = _PlainArrays(io.BytesIO(data)).load()
    except UploadError:
        raise
    except Exception as error:
        raise UploadError(f"expected a pickle of a numpy array, found {type(error).__name__}: {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype.hasobject:
        raise UploadError(f"expected a pickle of a numpy array of numbers, found {type(found).__name__}")
    return found


def _empty(kind: Any, shape: Any, _: Any) -> npt.NDArray[Any]:
    """In place of numpy's function, which would make an array of any size, whatever is in the upload."""
    if kind is not np.ndarray or shape != (0,):
        raise UploadError("expected a pickle of a plain numpy array, found one of another form")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _encoded(text: Any, encoding: Any) -> bytes:
    """In place of ``codecs.encode``, which has encodings that unpack."""
    if not isinstance(text, str) or encoding != "latin1":
        raise UploadError(f"expected text in latin1 in the pickle, found {encoding!r}")
    return text.encode("latin1")


_ADMITTED: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encoded,
}
"""Everything that a pickle of a plain array needs, and nothing else."""


class _PlainArrays(pickle._Unpickler):
    """The reader that is written in Python: that in C can be told to take all memory."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise UploadError(f"expected a pickle of a plain numpy array, found {module}.{name} in it, which is not called") from None
