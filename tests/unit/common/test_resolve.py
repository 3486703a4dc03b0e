"""What a worker shall run with, from its object and those around it. Local mode's own part is tested with it."""

from dataclasses import replace
from typing import Any

import pytest
from objects import make_camera, make_pipeline

from camstream.errors import CameraNotFound, CycleDetected, PipelineNotFound, SpecError
from camstream.resolve import Addresses, Place, camera_name, resolve
from camstream.spec import Camera, Pipeline, StoredBackground, WorkerConfig
from camstream.spec.key import Key

PLACE = Place("tcp://*:9999", "0.0.0.0", 8080, gather_address="tcp://*:9998", script_path="/scripts/mine.py", files_folder="/files")
STORED = StoredBackground(name="GUN_1", path="/b/GUN_1.npy", sha256="a" * 64)


def address_of(key: Key) -> str:
    return f"tcp://{key.kind.lower()}-{key.name}.{key.namespace}.svc:9999"


ADDRESSES = Addresses(stream=address_of, gather=lambda key: address_of(key).replace("9999", "9998"))


def resolved(thing: Camera | Pipeline, *others: Camera | Pipeline, background: StoredBackground | None = None) -> WorkerConfig:
    return resolve(thing, {Key.of(one): one for one in (thing, *others)}, PLACE, ADDRESSES, background)


def in_namespace(thing: Camera | Pipeline, namespace: str) -> Any:
    return thing.model_copy(update={"metadata": thing.metadata.model_copy(update={"namespace": namespace})})


def test_worker_listens_at_the_given_place() -> None:
    camera = make_camera(externalName="SAT-CM-01")
    config = resolved(camera)
    assert config.spec == camera.spec
    assert (config.kind, config.name, config.namespace, config.external_name) == ("Camera", "gun", "default", "SAT-CM-01")
    assert (config.stream_address, config.http_host, config.http_port) == ("tcp://*:9999", "0.0.0.0", 8080)
    assert (config.input_address, config.input_name, config.background) == (None, None, None)


def test_pipeline_reads_where_its_input_is_found_and_knows_the_camera_at_the_start() -> None:
    camera, first = make_camera(externalName="SAT-CM-01"), make_pipeline("first")
    second = make_pipeline("second", input={"pipeline": {"name": "first"}})
    assert resolved(first, camera).input_address == "tcp://camera-gun.default.svc:9999"
    config = resolved(second, first, camera)
    assert (config.input_address, config.input_name) == ("tcp://pipeline-first.default.svc:9999", "SAT-CM-01")


def test_references_stay_inside_the_namespace() -> None:
    camera, pipeline = in_namespace(make_camera(), "beamline"), in_namespace(make_pipeline(), "beamline")
    config = resolved(pipeline, camera)
    assert (config.namespace, config.input_address) == ("beamline", "tcp://camera-gun.beamline.svc:9999")
    with pytest.raises(CameraNotFound, match=r"camera 'gun', which does not exist \(there are: none\)"):
        resolved(make_pipeline(), camera)


def test_an_address_is_read_as_it_is_written() -> None:
    config = resolved(make_pipeline(input={"address": "tcp://elsewhere:5555"}))
    assert (config.input_address, config.input_name) == ("tcp://elsewhere:5555", None)


def test_what_does_not_exist_is_told_by_its_kind() -> None:
    with pytest.raises(CameraNotFound, match="reads camera 'gun'"):
        resolved(make_pipeline())
    with pytest.raises(PipelineNotFound, match="reads pipeline 'gun'"):
        resolved(make_pipeline(input={"pipeline": {"name": "gun"}}), make_camera())


def test_a_gap_further_up_the_chain_is_told_too() -> None:
    first, second = make_pipeline("first"), make_pipeline("second", input={"pipeline": {"name": "first"}})
    with pytest.raises(CameraNotFound, match="pipeline 'first' reads camera 'gun'"):
        resolved(second, first)


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
def test_a_circle_of_any_length_is_refused(names: str) -> None:
    circle = [make_pipeline(name, input={"pipeline": {"name": after}}) for name, after in zip(names, names[1:] + names[0], strict=True)]
    with pytest.raises(CycleDetected, match=f"pipeline 'a' is in a circle: {' -> '.join(names + 'a')}"):
        resolved(circle[0], *circle[1:])


def test_a_circle_by_way_of_a_merged_stream_is_refused() -> None:
    first = make_pipeline("first", merge={"pipeline": {"name": "second"}})
    second = make_pipeline("second", input={"pipeline": {"name": "first"}})
    with pytest.raises(CycleDetected, match="pipeline 'first' is in a circle: first -> second -> first"):
        resolved(first, second, make_camera())
    with pytest.raises(CycleDetected, match="pipeline 'second' is in a circle: second -> first -> second"):
        resolved(second, first, make_camera())


def test_a_circle_by_way_of_a_fan_in_is_refused() -> None:
    fan_in = make_pipeline("all", type="FanIn", input=None)
    share = make_pipeline("share", input={"pipeline": {"name": "all"}}, output={"mode": "Push", "pipeline": {"name": "all"}})
    with pytest.raises(CycleDetected, match="pipeline 'share' is in a circle: share -> all"):
        resolved(share, fan_in)


def test_what_a_fan_in_gathers_is_sent_to_where_it_listens() -> None:
    fan_in = make_pipeline("all", type="FanIn", input=None)
    share = make_pipeline("share", output={"mode": "Push", "pipeline": {"name": "all"}})
    assert resolved(share, fan_in, make_camera()).output_address == "tcp://pipeline-all.default.svc:9998"
    assert resolved(fan_in).gather_address == "tcp://*:9998"
    assert resolved(share, fan_in, make_camera()).gather_address is None
    with pytest.raises(PipelineNotFound, match="pipeline 'share' sends to pipeline 'all', which does not exist"):
        resolved(share, make_camera())
    with pytest.raises(SpecError, match="pipeline/share sends to pipeline/all, which is of type Processing; only a FanIn gathers"):
        resolved(share, make_pipeline("all"), make_camera())


def test_second_stream_is_read_where_it_is_found() -> None:
    other, merged = make_pipeline("other"), make_pipeline("merged", merge={"pipeline": {"name": "other"}})
    assert resolved(merged, other, make_camera()).merge_address == "tcp://pipeline-other.default.svc:9999"
    assert resolved(make_pipeline(merge={"address": "tcp://else:5"}), make_camera()).merge_address == "tcp://else:5"
    with pytest.raises(PipelineNotFound, match="pipeline 'merged' merges pipeline 'other', which does not exist"):
        resolved(merged, make_camera())
    with pytest.raises(SpecError, match=r"set merge\.mode to Pull"):
        resolved(merged, make_pipeline("other", output={"mode": "Push"}), make_camera())


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"mode": "Push", "pipeline": {"name": "all"}}, "which sends to pipeline 'all' only; read that one, or remove its output.pipeline"),
        ({"file": {"path": "beam"}}, "which writes a file and sends nothing; remove its output.file, or read what it reads"),
    ],
)
def test_pipeline_without_a_stream_of_its_own_cannot_be_read(output: dict[str, Any], words: str) -> None:
    reader = make_pipeline("reader", input={"pipeline": {"name": "silent"}})
    with pytest.raises(SpecError, match=words):
        resolved(reader, make_pipeline("silent", output=output), make_camera())


def test_script_and_files_are_found_where_the_worker_has_them() -> None:
    camera = make_camera()
    assert resolved(make_pipeline(script={"configMap": {"name": "scripts"}}), camera).script_path == "/scripts/mine.py"
    assert resolved(make_pipeline(script={"file": "/mine.py"}), camera).script_path == "/mine.py"
    assert resolved(make_pipeline(script={"source": "pass"}), camera).script_path is None
    assert resolved(make_pipeline(output={"file": {"path": "beam"}}), camera).files_folder == "/files"
    assert resolved(make_pipeline(), camera).files_folder is None


def test_file_without_a_folder_for_files_is_refused() -> None:
    pipeline, camera = make_pipeline(output={"file": {"path": "beam"}}), make_camera()
    objects = {Key.of(thing): thing for thing in (pipeline, camera)}
    with pytest.raises(
        SpecError, match="pipeline/fit writes a file, but there is no folder for files; choose a worker class with filesFolder"
    ):
        resolve(pipeline, objects, replace(PLACE, files_folder=None), ADDRESSES, None)


@pytest.mark.parametrize(
    ("output", "mode", "advice"),
    [({"mode": "Push"}, "Sub", "set input.mode to Pull"), ({"mode": "Pub"}, "Pull", "set input.mode to Sub")],
)
def test_reader_that_could_never_get_a_message_is_refused(output: dict[str, Any], mode: str, advice: str) -> None:
    camera, pipeline = make_camera(output=output), make_pipeline(input={"camera": {"name": "gun"}, "mode": mode})
    with pytest.raises(SpecError, match=advice):
        resolved(pipeline, camera)


def test_reader_in_the_mode_of_its_sender_is_accepted() -> None:
    camera, pipeline = make_camera(output={"mode": "Push"}), make_pipeline(input={"camera": {"name": "gun"}, "mode": "Pull"})
    assert resolved(pipeline, camera).input_address == "tcp://camera-gun.default.svc:9999"


def test_sender_to_one_receiver_only_cannot_be_read() -> None:
    with pytest.raises(
        SpecError, match=r"pipeline/fit reads camera/gun, which sends to tcp://receiver:7000 only; remove its output.connect"
    ):
        resolved(make_pipeline(), make_camera(output={"connect": "tcp://receiver:7000"}))


def test_background_is_handed_on_only_to_who_asks_for_one() -> None:
    camera = make_camera()
    assert resolved(make_pipeline(), camera, background=STORED).background is None
    assert resolved(make_pipeline(processing={"background": {}}), camera, background=STORED).background == STORED
    assert resolved(make_camera(background={}), background=STORED).background == STORED
    assert resolved(make_camera(background={})).background is None


def test_a_new_address_of_what_it_reads_does_not_replace_the_worker() -> None:
    camera, pipeline = make_camera(), make_pipeline()
    objects = {Key.of(thing): thing for thing in (camera, pipeline)}
    moved = Addresses(stream=lambda key: f"tcp://{key.name}:1", gather=ADDRESSES.gather)
    here, there = (resolve(pipeline, objects, PLACE, addresses, None) for addresses in (ADDRESSES, moved))
    assert here.digest() != there.digest()
    assert here.identity() == there.identity()


def test_camera_name_is_that_at_the_start_of_the_chain() -> None:
    camera, first = make_camera(), make_pipeline("first")
    second = make_pipeline("second", input={"pipeline": {"name": "first"}})
    objects = {Key.of(thing): thing for thing in (camera, first, second)}
    assert camera_name(second, objects) == camera_name(camera, objects) == "gun"
