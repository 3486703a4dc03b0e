"""When the data header follows the values, and what happens to a value that it must not follow."""

from typing import Any

import numpy as np
import pytest

from camstream.errors import MalformedMessage
from camstream.frame import Timestamp
from camstream.wire import Decoder, Encoder, HeaderPolicy, Message

NOW = Timestamp(1, 2)


class Stream:
    """An encoder and the decoder at its other end."""

    def __init__(self, **options: Any) -> None:
        self.encoder, self.decoder = Encoder(**options), Decoder()

    def send(self, **values: object) -> Message:
        return self.decoder.decode(self.encoder.encode(values, 1, NOW))


CHANGES = {
    "wider scalar": (np.uint8(3), np.int64(300)),
    "narrower scalar": (np.float64(0.1), np.float32(0.5)),
    "signedness": (np.uint16(3), np.int16(-3)),
    "int to float": (3, 3.5),
    "int to bool": (3, True),
    "number to text": (3, "three"),
    "text to number": ("three", 3),
    "scalar to array": (3, np.arange(3)),
    "array to scalar": (np.arange(3), 3),
    "shape": (np.zeros((4, 6)), np.ones((6, 4))),
    "dimensions": (np.zeros(24), np.ones((6, 4))),
    "length": (np.zeros(3), np.ones(4)),
    "element type": (np.zeros(3, np.uint16), np.ones(3, np.uint32)),
    "element type of the same width": (np.zeros(3, np.uint16), np.ones(3, np.int16)),
    "byte order": (np.arange(3, dtype="<u2"), np.arange(3, dtype=">u2")),
    "list length": ([1, 2], [1, 2, 3]),
    "list type": ([1, 2], [1.5, 2]),
}


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("policy", [HeaderPolicy.ON_CHANGE, HeaderPolicy.ALWAYS])
def test_the_header_follows_a_change_of_a_value(before: object, after: object, policy: HeaderPolicy) -> None:
    stream = Stream(policy=policy)
    stream.send(first=1, it=before)
    message = stream.send(first=1, it=after)
    assert message.format_changed
    assert stream.encoder.header_changes == 1
    np.testing.assert_array_equal(message.values["it"], np.asarray(after))
    assert stream.send(first=1, it=before).format_changed


SAME = {
    "int value": (3, 4),
    "text length": ("a", "a longer text"),
    "python and numpy int": (3, np.int64(4)),
    "python and numpy float": (np.float64(1), 2.0),
    "python and numpy bool": (True, np.False_),
    "list and array": ([1, 2], np.array([3, 4])),
    "scalar and one element": (1.5, np.array([2.5])),
    "scalar and no dimension": (1.5, np.array(2.5)),
    "contiguous or not": (np.arange(3), np.arange(6)[::2]),
    "native and explicit byte order": (np.arange(3), np.arange(3).astype("<i8")),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_the_header_stays_when_only_values_or_python_classes_differ(before: object, after: object) -> None:
    stream = Stream()
    stream.send(it=before)
    for value in (after, before, after):
        message = stream.send(it=value)
        assert message.format_changed is False
        expected = np.asarray(value)
        np.testing.assert_array_equal(np.ravel(message.values["it"]), np.ravel(expected))
    assert stream.encoder.header_changes == 0


@pytest.mark.parametrize(
    "after",
    [{"a": 1, "b": 2, "c": 3}, {"a": 1}, {"b": 2, "a": 1}, {"a": 1, "c": 2}, {}],
    ids=["appears", "disappears", "order", "name", "all disappear"],
)
def test_the_header_follows_the_names_and_their_order(after: dict[str, int]) -> None:
    stream = Stream()
    stream.send(a=1, b=2)
    message = stream.send(**after)
    assert message.format_changed
    assert list(message.values.items()) == list(after.items())
    assert stream.encoder.header_changes == 1


def test_an_unchanged_header_is_the_same_bytes_and_not_built_again() -> None:
    encoder = Encoder()
    values = {"a": 1.5, "b": np.zeros(3)}
    first, second = encoder.encode(values, 1, NOW)[1], encoder.encode(values, 2, NOW)[1]
    assert first is second


def test_a_channel_that_never_had_a_value_is_left_out() -> None:
    message = Stream().send(a=1, never=None, b=2)
    assert message.values == {"a": 1, "b": 2}


def test_a_channel_appears_with_its_first_value_and_is_missing_afterwards() -> None:
    stream = Stream()
    assert stream.send(a=1, late=None).values == {"a": 1}
    appeared = stream.send(a=1, late=np.float32(2.5))
    assert appeared.values == {"a": 1, "late": 2.5}
    assert appeared.format_changed
    gone = stream.send(a=1, late=None)
    assert gone.values == {"a": 1, "late": None}
    assert gone.timestamps == {"a": NOW, "late": None}
    assert gone.format_changed is False
    back = stream.send(a=1, late=np.float32(3.5))
    assert back.values == {"a": 1, "late": 3.5}
    assert back.format_changed is False


def test_a_missing_value_is_two_empty_parts() -> None:
    encoder = Encoder()
    encoder.encode({"a": np.zeros(3, ">u2"), "b": 1}, 1, NOW)
    assert encoder.encode({"a": None, "b": 1}, 2, NOW)[2:4] == [b"", b""]


def test_a_missing_channel_keeps_its_type_when_another_one_changes() -> None:
    stream = Stream()
    stream.send(a=1, image=np.zeros((3, 4), np.uint16))
    message = stream.send(a=1.5, image=None)
    assert message.values == {"a": 1.5, "image": None}
    assert message.header[1].type == "uint16"
    assert message.header[1].shape == (4, 3)


def test_a_big_endian_channel_behind_one_that_is_left_out_keeps_its_byte_order() -> None:
    stream = Stream()
    stream.send(never=None, gone=1, big=np.arange(3, dtype=">i4"))
    message = stream.send(never=None, gone=None, big=np.arange(3, dtype=">i4"))
    assert message.timestamps == {"gone": None, "big": NOW}


FITTING = [
    ("allow_type_changes", "it", np.zeros(3), np.zeros(3, np.float32)),
    ("allow_type_changes", "it", 3, 3.5),
    ("allow_type_changes", "it", np.zeros(3), np.zeros(3, ">f8")),
    ("allow_shape_changes", "it", np.zeros(3), np.zeros(4)),
    ("allow_shape_changes", "it", 3.5, np.zeros(4)),
]


@pytest.mark.parametrize(("option", "name", "before", "after"), FITTING)
def test_a_change_that_is_not_allowed_is_sent_as_missing_and_counted(option: str, name: str, before: object, after: object) -> None:
    stream = Stream(**{option: False})
    stream.send(**{name: before}, other=1)
    for count in (1, 2):
        message = stream.send(**{name: after}, other=2)
        assert message.values == {name: None, "other": 2}
        assert message.format_changed is False
        assert stream.encoder.values_withheld == count
    np.testing.assert_array_equal(stream.send(**{name: before}, other=3).values[name], np.asarray(before))
    assert stream.encoder.header_changes == 0


def test_the_other_kind_of_change_is_still_allowed() -> None:
    shapes, types = Stream(allow_type_changes=False), Stream(allow_shape_changes=False)
    shapes.send(it=np.zeros(3))
    assert shapes.send(it=np.zeros(4)).values["it"].shape == (4,)
    types.send(it=np.zeros(3))
    assert types.send(it=np.zeros(3, np.uint8)).values["it"].dtype == np.uint8


def test_a_change_that_is_not_allowed_stays_so_when_another_channel_changes() -> None:
    stream = Stream(allow_type_changes=False)
    stream.send(it=3)
    message = stream.send(it=3.5, new="text")
    assert message.values == {"it": None, "new": "text"}
    assert stream.encoder.values_withheld == 1
    assert stream.send(it=4, new="text").values == {"it": 4, "new": "text"}


def test_a_value_withheld_in_a_message_that_renews_the_header_is_counted_once() -> None:
    stream = Stream(allow_shape_changes=False)
    stream.send(first=np.zeros(3), second=1)
    assert stream.send(first=np.zeros(4), second=1.5).values == {"first": None, "second": 1.5}
    assert stream.encoder.values_withheld == 1


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_a_header_made_once_never_carries_a_value_that_does_not_fit(before: object, after: object) -> None:
    stream = Stream(policy=HeaderPolicy.ONCE)
    stream.send(it=before, other=1)
    message = stream.send(it=after, other=2)
    assert message.values == {"it": None, "other": 2}
    assert message.format_changed is False
    np.testing.assert_array_equal(stream.send(it=before, other=1).values["it"], np.asarray(before))


def test_a_header_made_once_keeps_its_channels_and_their_order() -> None:
    stream = Stream(policy=HeaderPolicy.ONCE)
    stream.send(a=1, b=2)
    for values in ({"b": 4, "a": 3}, {"a": 3, "b": 4, "new": 5}):
        message = stream.send(**values)
        assert list(message.values.items()) == [("a", 3), ("b", 4)]
    assert stream.send(b=4).values == {"a": None, "b": 4}
    assert stream.encoder.header_changes == 0


def test_a_header_made_once_declares_a_missing_channel_as_a_number() -> None:
    stream = Stream(policy=HeaderPolicy.ONCE)
    assert stream.send(late=None).values == {"late": None}
    assert stream.send(late=2.5).values == {"late": 2.5}
    assert stream.send(late="text").values == {"late": None}


def test_a_header_made_once_waits_for_the_first_channel() -> None:
    stream = Stream(policy=HeaderPolicy.ONCE)
    assert stream.send().values == {}
    assert stream.send(a=1).values == {"a": 1}


def test_a_header_that_always_follows_does_so_whatever_is_allowed() -> None:
    stream = Stream(policy=HeaderPolicy.ALWAYS, allow_type_changes=False, allow_shape_changes=False)
    for value in (1, 2, None, 2.5, 3.5, np.zeros(3)):
        np.testing.assert_array_equal(stream.send(a=value).values["a"], value)
    assert stream.encoder.header_changes == 2
    assert stream.encoder.values_withheld == 0


def test_a_header_that_comes_back_counts_as_a_change() -> None:
    stream = Stream()
    for value in (1, 2.5, 1):
        stream.send(a=value)
    assert stream.encoder.header_changes == 2


def test_a_message_that_could_not_be_made_changes_no_header() -> None:
    stream = Stream()
    stream.send(a=1)
    with pytest.raises(MalformedMessage):
        stream.send(a=2.5, b={})
    assert stream.send(a=2).format_changed is False
    assert stream.encoder.header_changes == 0


def test_two_alternating_senders_are_decoded_each_with_its_own_header() -> None:
    one, other, decoder = Encoder(), Encoder(), Decoder()
    for i in range(3):
        first = decoder.decode(one.encode({"a": i}, i, NOW))
        second = decoder.decode(other.encode({"b": f"text {i}"}, i, NOW))
        assert (first.values, second.values) == ({"a": i}, {"b": f"text {i}"})
        assert first.format_changed
        assert second.format_changed


def test_more_senders_than_headers_are_remembered_are_still_decoded() -> None:
    encoders, decoder = [Encoder() for _ in range(40)], Decoder()
    for i in range(2):
        for j, encoder in enumerate(encoders):
            assert decoder.decode(encoder.encode({f"channel {j}": i}, 1, NOW)).values == {f"channel {j}": i}


def with_unreadable_header(parts: list[Any]) -> list[Any]:
    return [parts[0], b"x" * len(parts[1]), *parts[2:]]


def test_a_header_is_read_only_when_its_hash_is_new() -> None:
    encoder, decoder = Encoder(), Decoder()
    decoder.decode(encoder.encode({"a": 1}, 1, NOW))
    message = decoder.decode(with_unreadable_header(encoder.encode({"a": 2}, 2, NOW)))
    assert message.values == {"a": 2}
    assert message.format_changed is False


def test_the_headers_used_last_are_remembered() -> None:
    usual, decoder = Encoder().encode({"usual": 1}, 1, NOW), Decoder()
    decoder.decode(usual)
    for i in range(40):
        rare = Encoder().encode({f"rare {i}": 1}, 1, NOW)
        decoder.decode(rare)
        assert decoder.decode(with_unreadable_header(usual)).values == {"usual": 1}
        assert decoder.decode(with_unreadable_header(rare)).values == {f"rare {i}": 1}
