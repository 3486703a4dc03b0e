"""One pulse as one message for the browser."""

import json
import time
from typing import Any

import numpy as np
import pytest
from gateways import Received, oracle

from camstream.frame import Timestamp
from camstream.wire import Decoder, Encoder
from camstream.wire.compression import decompress
from camstream_gateway.encoding import Transfer, bin_mean, encode
from camstream_gateway.hub import StreamFrame


def frame(values: dict[str, Any], compression: Any = None, pulse_id: int = 17) -> StreamFrame:
    """As it comes from a stream."""
    parts = [bytes(part) for part in Encoder(compression=compression).encode(values, pulse_id, Timestamp(1_700_000_000, 5))]
    message = Decoder().decode(parts)
    index = [channel.name for channel in message.header].index("image") if "image" in values else None
    part = None if index is None else parts[2 + 2 * index]
    return StreamFrame(1, message, part, sum(map(len, parts)), time.time())


def test_message_holds_image_profiles_and_numbers_of_one_pulse() -> None:
    image = oracle(17, 30, 41)
    values = {
        "image": image,
        "x_profile": image.sum(0, np.int64),
        "x_fit_mean": 12.5,
        "x_fit_converged": True,
        "slice_orientation": "vertical",
    }
    received = Received(encode(frame(values, pulse_id=2**60 + 1), Transfer()))
    assert received.pulse_id == 2**60 + 1
    assert np.array_equal(received.array("image"), image)
    assert received.array("x_profile").tolist() == image.sum(0).tolist()
    assert received.header["values"] == {"x_fit_mean": 12.5, "x_fit_converged": True, "slice_orientation": "vertical"}


def test_image_can_be_left_out() -> None:
    received = Received(encode(frame({"image": oracle(1, 4, 4), "intensity": 5}), Transfer(), image=False))
    assert (received.header["image"], received.header["parts"], received.header["values"]) == (None, [], {"intensity": 5})


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_number_that_json_cannot_say_is_null(number: float) -> None:
    assert Received(encode(frame({"x_fwhm": number}), Transfer())).header["values"] == {"x_fwhm": None}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [(t, t) for t in ("uint8", "int16", "uint16", "int32", "uint32", "float32")]
    + [("bool", "uint8"), ("int8", "int16"), ("float64", "float32"), ("int64", "float32"), ("uint64", "float32"), (">u2", "uint16")],
)
def test_image_of_every_type_comes_in_one_that_a_browser_has(sent: str, shown: str) -> None:
    image = oracle(3, 9, 7, "uint8").astype(sent)
    received = Received(encode(frame({"image": image}), Transfer()))
    assert received.array("image").dtype == np.dtype(shown)
    assert np.array_equal(received.array("image"), image)
    assert received.header["image"]["dtype"] == np.dtype(sent).name


def test_compressed_image_is_passed_on_as_it_came() -> None:
    came = frame({"image": oracle(5, 480, 640)}, "bitshuffle_lz4")
    entry, data = Received(encode(came, Transfer())).part("image")
    assert (entry["codec"], data) == ("bslz4", came.image_part)


@pytest.mark.parametrize("shape", [(480, 640), (101, 99)])
def test_image_is_compressed_where_the_link_asks_for_it(shape: tuple[int, int]) -> None:
    image = oracle(5, *shape)
    entry, data = Received(encode(frame({"image": image}), Transfer(compressed=True))).part("image")
    assert entry["codec"] == "bslz4"
    assert np.array_equal(decompress("bitshuffle_lz4", data, image.dtype, image.nbytes, image.nbytes, "test").reshape(shape), image)


@pytest.mark.parametrize("n", [2, 3, 4, 8])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_binned_pixel_is_the_mean_of_its_square(n: int, dtype: str) -> None:
    image = np.random.default_rng(n).integers(0, 255, (37, 50)).astype(dtype)
    squares = image[: 37 // n * n, : 50 // n * n].reshape(37 // n, n, 50 // n, n).astype(np.float64)
    expected = squares.mean((1, 3))
    found = bin_mean(image, n)
    assert found.dtype == image.dtype
    assert np.array_equal(found, np.floor(expected)) if found.dtype.kind != "f" else np.allclose(found, expected, rtol=1e-6)


def test_reduced_image_says_what_it_was_reduced_from() -> None:
    received = Received(encode(frame({"image": oracle(5, 480, 640)}), Transfer(compressed=True, binning=4)))
    assert received.header["image"] == {"shape": [480, 640], "dtype": "uint16", "binning": 4}
    assert received.part("image")[0]["shape"] == [120, 160]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 3)])
def test_image_smaller_than_a_square_is_still_shown(shape: tuple[int, int]) -> None:
    received = Received(encode(frame({"image": oracle(5, *shape)}), Transfer(compressed=True, binning=8)))
    assert min(received.part("image")[0]["shape"]) >= 1


@pytest.mark.parametrize("image", [np.zeros((2, 3, 4), np.uint16), np.zeros(5, np.uint16), np.zeros((0, 4), np.uint16)])
def test_what_is_no_image_is_not_shown_as_one(image: Any) -> None:
    assert Received(encode(frame({"image": image}), Transfer())).header["image"] is None


def test_header_is_json_and_payloads_are_aligned() -> None:
    data = encode(frame({"image": oracle(1, 3, 3, "uint8"), "a": np.ones(3, np.uint8), "b": np.arange(2.0), "name": "é"}), Transfer())
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    assert (4 + length) % 8 == 0
    assert [part["offset"] % 8 for part in header["parts"]] == [0, 0, 0]
    assert header["values"] == {"name": "é"}
