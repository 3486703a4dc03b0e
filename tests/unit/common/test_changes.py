"""What an edit of a running object means, and the names of configurations that follow from it."""

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from edits import Edit, every_edit
from objects import make_camera, make_pipeline

from camstream.spec import Camera, Pipeline, WorkerConfig
from camstream.spec.base import FIXED, Change, Spec, changes, fixed_part
from camstream_cli.manifests import load

SAMPLES = Path(__file__).parents[3] / "configs" / "samples"
EDITS = every_edit()


def config_of(thing: Camera | Pipeline, **more: Any) -> WorkerConfig:
    fields: dict[str, Any] = {
        "kind": thing.kind,
        "name": thing.name,
        "external_name": thing.external_name,
        thing.kind.lower(): thing.spec,
        "stream_address": "tcp://*:9999",
        "http_port": 8080,
    }
    return WorkerConfig(**(fields | more))


def must_replace(old: Spec, new: Spec) -> bool:
    return any(change.change in FIXED for change in changes(old, new))


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_an_edit_is_told_as_the_one_change_that_it_is(edit: Edit) -> None:
    assert [(change.path, change.change) for change in changes(edit.before.spec, edit.after.spec)] == [(edit.path, edit.change)]


def test_every_way_to_change_is_among_the_edits() -> None:
    assert {edit.change for edit in EDITS} == set(Change)


def test_the_identity_of_two_configurations_differs_exactly_if_the_worker_must_be_replaced() -> None:
    edited = [thing for edit in EDITS for thing in (edit.before, edit.after)]
    samples = [placed.object for placed in load([SAMPLES]).objects]
    things = edited + [thing for thing in samples if isinstance(thing, (Camera, Pipeline))]
    configs = {config.digest(): config for config in map(config_of, things)}
    named = [(config, config.identity()) for config in configs.values()]
    outcomes = set()
    for (old, before), (new, after) in product(named, named):
        replace = must_replace(old, new)
        assert (before != after) is replace, f"{list(map(str, changes(old, new)))}"
        outcomes.add(replace)
    assert outcomes == {True, False}


@pytest.mark.parametrize(
    ("field", "one", "other", "replace"),
    [
        ("input_address", "tcp://a:1", "tcp://b:1", False),
        ("input_name", "GUN", None, False),
        ("background", None, {"name": "dark", "path": "/dark.npy", "sha256": "a" * 64}, False),
        ("stream_address", "tcp://*:9999", "tcp://*:9998", True),
        ("http_port", 8080, 8081, True),
        ("http_host", "127.0.0.1", "0.0.0.0", True),
        ("namespace", "default", "beamline", True),
        ("external_name", "A", "B", True),
    ],
)
def test_what_surrounds_the_spec_counts_too(field: str, one: object, other: object, replace: bool) -> None:
    old, new = (config_of(make_pipeline(), **{field: value}) for value in (one, other))
    assert old.digest() != new.digest()
    assert must_replace(old, new) is replace
    assert (old.identity() != new.identity()) is replace


def test_camera_and_pipeline_of_one_name_have_different_names() -> None:
    camera, pipeline = config_of(make_camera("same")), config_of(make_pipeline("same"))
    assert camera.digest() != pipeline.digest()
    assert camera.identity() != pipeline.identity()


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_every_edit_gives_the_configuration_another_name(edit: Edit) -> None:
    assert config_of(edit.before).digest() != config_of(edit.after).digest()


def test_a_field_that_is_written_at_its_default_changes_no_name() -> None:
    plain = config_of(make_camera())
    source = {"simulation": {"width": 1280, "pattern": "Beam"}, "timeoutSeconds": 10}
    written = config_of(make_camera(source=source, output={"mode": "Pub", "service": {"type": "ClusterIP"}}, aliases=[], lifecycle={}))
    assert (written.digest(), written.identity()) == (plain.digest(), plain.identity())


def test_names_are_the_same_in_every_process() -> None:
    # They are compared across versions and machines: neither the order of fields nor a random hash may have a part in them.
    config = config_of(make_camera(pixelType="uint8", output={"queueSize": 5}))
    assert WorkerConfig.model_validate_json(config.model_dump_json(by_alias=True)).digest() == config.digest()
    assert (config.digest(), config.identity()) == ("0421d210d296", "a84155397abd")


def test_a_part_that_is_there_without_values_is_told_from_one_that_is_not() -> None:
    sources = [
        {"simulation": {}},
        {"epics": {"prefix": "A"}},
        {"bsread": {"address": "tcp://a:1"}},
        {"hdf5": {"path": "/a", "dataset": "b"}},
    ]
    parts = [fixed_part(make_camera(source=source).spec) for source in sources]
    assert parts[0] == {"source": {"simulation": {}}}
    assert all(one != other for one, other in pairwise(parts))


def test_fixed_part_holds_what_is_set_and_cannot_be_taken_over_and_nothing_else() -> None:
    spec = make_pipeline(
        externalName="FIT",
        groups=["all"],
        input={"camera": {"name": "gun"}, "backlog": "All", "queueSize": 9},
        processing={"threshold": 3, "rotation": {}},
        output={"port": 9000, "queueSize": 5, "queueMebibytes": 32},
        threads=2,
    ).spec
    assert fixed_part(spec) == {
        "externalName": "FIT",
        "input": {"camera": {"name": "gun"}, "queueSize": 9},
        "output": {"queueSize": 5},
        "threads": 2,
    }
