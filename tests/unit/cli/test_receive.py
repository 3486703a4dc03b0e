import argparse
import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import zmq

from camstream.errors import CamstreamError
from camstream.frame import Timestamp
from camstream.spec.status import Phase
from camstream.spec.view import ObjectView
from camstream.wire import Encoder
from camstream_cli import receive
from camstream_cli.local.state import RunState
from camstream_cli.receive import Target, find_target, shown_channels


class Sender:
    """A PUB or PUSH socket that sends every few milliseconds until closed."""

    def __init__(self, kind: int, junk: bool = False) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(kind)
        self._socket.linger, self._socket.sndtimeo = 0, 10
        self._port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self._junk = junk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    def _send(self) -> None:
        encoder, pulse_id = Encoder(), 1000
        image = np.arange(12, dtype=np.uint16).reshape(3, 4)
        while not self._stop.wait(0.005):
            pulse_id += 1
            values = {"image": image, "intensity": 66, "x_fit_mean": 1.5, "x_rms": float("nan"), "text": "hello"}
            parts: Any = [b"junk"] if self._junk else encoder.encode(values, pulse_id, Timestamp(1700000000, 5))
            try:
                self._socket.send_multipart(parts)
            except zmq.Again:
                continue

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()
        self._context.term()


@pytest.fixture
def sender() -> Iterator[Sender]:
    found = Sender(zmq.PUB)
    yield found
    found.close()


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    receive.add_parser(parser.add_subparsers())
    return parser.parse_args(["receive", *words])


def make_view(name: str = "fit", **more: Any) -> ObjectView:
    fields = {"kind": "Pipeline", "namespace": "default", "external_name": name.upper(), "phase": Phase.RUNNING}
    return ObjectView(name=name, **(fields | {"address": "tcp://127.0.0.1:12001", "mode": "Pub"} | more))


def state_of(*views: ObjectView) -> list[RunState]:
    return [RunState(pid=1, started_at=0.0, paths=[], objects=list(views))]


def test_json_has_one_message_per_line_with_arrays_in_short(sender: Sender, capsys: pytest.CaptureFixture[str]) -> None:
    assert receive.run(arguments(sender.address, "--count", "2", "--output", "json")) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert second["pulseId"] == first["pulseId"] + 1
    assert first["timestamp"] == {"sec": 1700000000, "ns": 5}
    assert first["channels"] == {
        "image": {"shape": [3, 4], "type": "uint16", "min": 0, "max": 11},
        "intensity": 66,
        "x_fit_mean": 1.5,
        "x_rms": None,
        "text": "hello",
    }


def test_line_shows_the_telling_channels_and_the_end_shows_the_rate(sender: Sender, capsys: pytest.CaptureFixture[str]) -> None:
    receive.run(arguments(sender.address, "--count", "3"))
    *lines, summary = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "image 4x3 uint16 0..11  intensity 66  x_rms nan  x_fit_mean 1.5" in lines[0]
    assert "text" not in lines[0]
    assert summary.startswith("3 messages in ")
    assert summary.endswith("MB/s")


def test_only_the_channels_that_were_asked_for_are_shown(sender: Sender, capsys: pytest.CaptureFixture[str]) -> None:
    receive.run(arguments(sender.address, "--count", "1", "--channels", "text, missing"))
    assert capsys.readouterr().out.strip().endswith("text hello  missing -")


def test_pushed_stream_is_pulled(capsys: pytest.CaptureFixture[str]) -> None:
    sender = Sender(zmq.PUSH)
    try:
        receive.run(arguments(sender.address, "--count", "1", "--mode", "pull"))
    finally:
        sender.close()
    assert "intensity 66" in capsys.readouterr().out


def test_silence_is_told_with_what_to_look_at() -> None:
    with pytest.raises(CamstreamError, match=r"no message within 0\.1 s from tcp://127\.0\.0\.1:9: .*camstream status"):
        receive.run(arguments("tcp://127.0.0.1:9", "--timeout", "0.1"))


def test_messages_that_are_not_bsread_are_told_apart_from_silence() -> None:
    sender = Sender(zmq.PUB, junk=True)
    try:
        with pytest.raises(CamstreamError, match="none can be read"):
            receive.run(arguments(sender.address, "--timeout", "0.5"))
    finally:
        sender.close()


def test_address_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(CamstreamError, match="expected tcp://host:port"):
        receive.run(arguments("http://somewhere:80"))


@pytest.mark.parametrize("name", ["fit", "FIT", "pipeline/fit"])
def test_object_is_found_by_any_of_its_names(name: str) -> None:
    assert find_target(name, None, state_of(make_view())) == Target("tcp://127.0.0.1:12001")


@pytest.mark.parametrize("address", ["tcp://gun:9999", "gun:9999"])
def test_address_needs_no_supervisor(address: str) -> None:
    assert find_target(address, None, []) == Target("tcp://gun:9999")


def test_object_that_pushes_is_pulled_unless_told_otherwise() -> None:
    states = state_of(make_view(mode="Push"))
    assert find_target("fit", None, states).pull
    assert not find_target("fit", "sub", states).pull


def test_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(CamstreamError, match=r"no stream named 'fitt' \(there are: fit\)"):
        find_target("fitt", None, state_of(make_view()))
    with pytest.raises(CamstreamError, match="start something with `camstream run`"):
        find_target("fit", None, [])


def test_name_of_several_streams_is_answered_with_their_addresses() -> None:
    camera = make_view(kind="Camera", address="tcp://127.0.0.1:12000")
    states = state_of(camera, make_view())
    with pytest.raises(CamstreamError, match=r"camera/fit at tcp://127\.0\.0\.1:12000, pipeline/fit at tcp://127\.0\.0\.1:12001"):
        find_target("fit", None, states)
    assert find_target("camera/fit", None, states) == Target("tcp://127.0.0.1:12000")


def test_object_without_a_stream_says_why() -> None:
    with pytest.raises(CamstreamError, match=r"pipeline 'fit' has no stream .*port 1 is taken"):
        find_target("fit", None, state_of(make_view(address=None, phase=Phase.FAILED, message="port 1 is taken")))


def test_stream_of_unknown_channels_shows_the_first_ones() -> None:
    assert shown_channels({f"c{i}": i for i in range(20)}, None) == [f"c{i}" for i in range(10)]


def test_stream_of_a_camera_shows_its_image_and_what_is_special_to_it() -> None:
    assert shown_channels(dict.fromkeys(["width", "height", "image", "x_axis", "y_axis", "temperature"]), None) == ["image", "temperature"]
