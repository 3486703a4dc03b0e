"""The samples: each is right, small, listed, and every field of a spec is used by one of them."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from edits import models_of
from pydantic import BaseModel

from camstream.spec import KINDS
from camstream.spec.base import Spec
from camstream_cli.manifests import load

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"
SAMPLES = sorted((CONFIGS / "samples").glob("*.yaml"))
Use = tuple[str, str]


def defined(model: type[BaseModel], name: str) -> Use:
    """A field by the model that first has it."""
    first = [base for base in model.__mro__ if name in inspect.get_annotations(base)][-1]
    return first.__name__, name


def used(value: Spec) -> Iterator[Use]:
    """The fields that a manifest sets."""
    for name in value.model_fields_set:
        yield defined(type(value), name)
        inner = getattr(value, name)
        if isinstance(inner, Spec):
            yield from used(inner)


def fields(model: type[BaseModel]) -> Iterator[Use]:
    """All fields of a model and of those in it."""
    for name, info in model.model_fields.items():
        yield defined(model, name)
        for inner in models_of(info.annotation):
            yield from fields(inner)


def test_nothing_is_wrong_with_all_of_them_together() -> None:
    found = load([CONFIGS])
    assert found.problems == []
    assert found.notes == []


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_sample_stands_on_its_own(file: Path) -> None:
    found = load([file])
    assert found.problems == []
    text = file.read_text()
    assert text.startswith("# ")
    assert f"#   camstream run configs/samples/{file.name}\n" in text
    assert len(text.splitlines()) < 80


def test_every_sample_is_listed_once() -> None:
    text = (CONFIGS / "README.md").read_text()
    for file in SAMPLES:
        assert text.count(f"(samples/{file.name})") == 1, file
    assert text.count("(samples/") == len(SAMPLES)


def test_list_says_what_the_file_says() -> None:
    text = (CONFIGS / "README.md").read_text()
    for file in SAMPLES:
        first = file.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{file.stem}](samples/{file.name}) | {first}" in text


def test_every_field_of_every_spec_is_used_by_a_sample() -> None:
    objects = [placed.object for placed in load([CONFIGS]).objects]
    found = {use for thing in objects for use in used(thing.spec)}
    there_are = {use for kind in KINDS.values() for model in models_of(kind.model_fields["spec"].annotation) for use in fields(model)}
    assert there_are - found == set()


def test_demo_is_a_camera_of_ten_hertz_and_a_pipeline_with_slices() -> None:
    camera, pipeline = (placed.object for placed in load([CONFIGS / "demo"]).objects)
    assert camera.to_dict()["spec"]["source"] == {"simulation": {}}
    assert camera.name == "demo-camera"
    assert pipeline.name == "demo-pipeline"
    assert {"goodRegion", "slices"} <= set(pipeline.to_dict()["spec"]["processing"])
