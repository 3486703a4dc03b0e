from typing import Any

import pytest
from objects import make_camera, make_pipeline

from camstream.errors import BrokenReference, SpecError
from camstream.resolve import camera_name
from camstream.spec import Camera, Pipeline, StoredBackground
from camstream.spec.key import Key
from camstream_cli.local.build import build_config, refusal, stream_address
from camstream_cli.local.ports import Endpoint

STORED = StoredBackground(name="GUN_1", path="/b/GUN_1.npy", sha256="a" * 64)


def known(*objects: Camera | Pipeline) -> dict[Key, Camera | Pipeline]:
    return {Key.of(thing): thing for thing in objects}


def endpoints(*objects: Camera | Pipeline, host: str = "127.0.0.1") -> dict[Key, Endpoint | SpecError]:
    return {Key.of(thing): Endpoint(host, 12000 + i, 13000 + i) for i, thing in enumerate(objects)}


def test_camera_listens_where_its_endpoint_says() -> None:
    camera = make_camera(externalName="SAT-CM-01")
    config = build_config(camera, known(camera), endpoints(camera), None)
    assert config.camera == camera.spec
    assert config.external_name == "SAT-CM-01"
    assert (config.stream_address, config.http_host, config.http_port) == ("tcp://127.0.0.1:12000", "127.0.0.1", 13000)
    assert config.input_address is None


def test_pipeline_reads_the_stream_of_the_object_it_refers_to() -> None:
    camera, first = make_camera(externalName="SAT-CM-01"), make_pipeline("first")
    second = make_pipeline("second", input={"pipeline": {"name": "first"}})
    things: list[Camera | Pipeline] = [camera, first, second]
    assert build_config(first, known(*things), endpoints(*things), None).input_address == "tcp://127.0.0.1:12000"
    config = build_config(second, known(*things), endpoints(*things), None)
    assert config.input_address == "tcp://127.0.0.1:12001"
    assert config.input_name == "SAT-CM-01"


def test_pipeline_of_an_address_reads_it_and_knows_no_camera() -> None:
    pipeline = make_pipeline(input={"address": "tcp://elsewhere:5555"})
    config = build_config(pipeline, known(pipeline), endpoints(pipeline), None)
    assert (config.input_address, config.input_name) == ("tcp://elsewhere:5555", None)


def test_worker_that_serves_everybody_is_still_read_through_loopback() -> None:
    camera, pipeline = make_camera(), make_pipeline()
    config = build_config(pipeline, known(camera, pipeline), endpoints(camera, pipeline, host="0.0.0.0"), None)
    assert config.stream_address == "tcp://0.0.0.0:12001"
    assert config.input_address == "tcp://127.0.0.1:12000"


def test_missing_reference_is_told_with_the_names_there_are() -> None:
    pipeline = make_pipeline()
    other = make_camera("laser")
    with pytest.raises(BrokenReference, match=r"reads camera 'gun', which does not exist \(there is: laser\)"):
        build_config(pipeline, known(pipeline, other), endpoints(pipeline, other), None)


def test_object_without_an_endpoint_gets_the_reason() -> None:
    camera = make_camera()
    with pytest.raises(SpecError, match="taken"):
        build_config(camera, known(camera), {Key.of(camera): SpecError("taken")}, None)


def test_pipeline_of_a_camera_without_an_endpoint_says_whose_fault_it_is() -> None:
    camera, pipeline = make_camera(), make_pipeline()
    places = endpoints(camera, pipeline) | {Key.of(camera): SpecError("taken")}
    with pytest.raises(SpecError, match="pipeline/fit uses camera/gun, which has no address: taken"):
        build_config(pipeline, known(camera, pipeline), places, None)


@pytest.mark.parametrize(
    ("output", "mode", "advice"),
    [({"mode": "Push"}, "Sub", "set input.mode to Pull"), ({"mode": "Pub"}, "Pull", "set input.mode to Sub")],
)
def test_reader_that_could_never_get_a_message_is_refused(output: dict[str, Any], mode: str, advice: str) -> None:
    camera, pipeline = make_camera(output=output), make_pipeline(input={"camera": {"name": "gun"}, "mode": mode})
    with pytest.raises(SpecError, match=advice):
        build_config(pipeline, known(camera, pipeline), endpoints(camera, pipeline), None)


def test_camera_that_sends_to_one_receiver_only_cannot_be_read() -> None:
    camera, pipeline = make_camera(output={"connect": "tcp://receiver:7000"}), make_pipeline()
    with pytest.raises(SpecError, match="sends to tcp://receiver:7000 only"):
        build_config(pipeline, known(camera, pipeline), endpoints(camera, pipeline), None)
    assert stream_address(camera, endpoints(camera)[Key.of(camera)]) == "tcp://receiver:7000"


def test_background_is_handed_on_only_to_who_asks_for_one() -> None:
    camera, plain, asking = make_camera(), make_pipeline("plain"), make_pipeline("asking", processing={"background": {}})
    things: list[Camera | Pipeline] = [camera, plain, asking]
    assert build_config(plain, known(*things), endpoints(*things), STORED).background is None
    assert build_config(asking, known(*things), endpoints(*things), STORED).background == STORED


def test_camera_name_is_that_at_the_start_of_the_chain() -> None:
    camera, first = make_camera(externalName="SAT-CM-01"), make_pipeline("first")
    second = make_pipeline("second", input={"pipeline": {"name": "first"}})
    assert camera_name(second, known(camera, first, second)) == "SAT-CM-01"
    assert camera_name(camera, known(camera)) == "SAT-CM-01"


def test_edit_of_an_immutable_field_is_refused_and_any_other_is_not() -> None:
    refused = refusal(make_camera(externalName="A"), make_camera(externalName="B"))
    assert refused is not None
    assert "camera/gun: spec.externalName cannot change" in str(refused)
    assert refusal(make_camera(), make_camera(pixelType="uint8")) is None
