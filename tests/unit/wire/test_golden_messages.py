"""Messages recorded from psi-bsread 2.0.1, and what its own reader made of them."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from golden import golden_dir

from camstream.frame import Timestamp
from camstream.wire import Decoder

TAGS = [
    "arrays_1d_3d_list",
    "big_endian",
    "camera_uncompressed",
    "data_header_bitshuffle_lz4",
    "data_header_lz4",
    "header_defaults",
    "image_bitshuffle_lz4",
    "image_large_bitshuffle_lz4",
    "image_lz4",
    "missing_values",
    "per_channel_compression",
    "scalars_all_types",
    "scalars_bitshuffle_lz4",
    "shape_change",
    "string_and_bool",
]


def streams() -> dict[str, Any]:
    recorded = json.loads((golden_dir() / "bsread_messages.json").read_text())
    return {stream["tag"]: stream for stream in recorded["streams"]}


def assert_equals_recording(value: Any, recorded: Any) -> None:
    if recorded is None:
        assert value is None
    elif "text" in recorded:
        assert value == recorded["text"]
    else:
        dtype = np.dtype(recorded["dtype"])
        expected = np.frombuffer(base64.b64decode(recorded["base64"]), dtype.newbyteorder("<")).reshape(recorded["shape"])
        assert np.asarray(value).dtype.newbyteorder("=") == dtype
        assert isinstance(value, np.generic) == (recorded["shape"] == [])
        np.testing.assert_array_equal(value, expected)


def test_every_recorded_stream_is_compared() -> None:
    assert sorted(streams()) == TAGS


@pytest.mark.parametrize("tag", TAGS)
def test_a_recorded_stream_is_decoded_as_psi_bsread_decoded_it(tag: str) -> None:
    decoder = Decoder()
    for recorded in streams()[tag]["messages"]:
        message = decoder.decode([base64.b64decode(frame) for frame in recorded["frames"]])
        assert message.pulse_id == recorded["pulse_id"]
        assert message.timestamp == Timestamp(*recorded["global_timestamp"])
        assert message.format_changed is recorded["format_changed"]
        assert list(message.values) == list(recorded["channels"])
        assert not message.undecoded
        for name, channel in recorded["channels"].items():
            assert_equals_recording(message.values[name], channel["value"])
            expected = channel["timestamp"] and Timestamp(*channel["timestamp"])
            assert message.timestamps[name] == expected
