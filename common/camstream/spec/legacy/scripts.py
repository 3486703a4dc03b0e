"""Users' scripts of cam_server whose text travels in the pipelines that run them, where workers do not see the folder of a server. Pure."""

from typing import Any

from pydantic import ValidationError

from camstream.errors import SpecError
from camstream.names import UPLOADED
from camstream.spec.base import problems
from camstream.spec.objects import Pipeline
from camstream.spec.script import Script


def embedded(thing: Pipeline, name: str, text: str) -> Pipeline:
    """A pipeline with the text of its script.

    :param name: of the script's file, by which clients know it
    :raises SpecError: if it cannot be in a pipeline
    """
    if not name.endswith(".py"):
        raise SpecError(f"script '{name}' cannot run in a pod: only Python can; put it into a worker's image, or write it in Python")
    given: dict[str, Any] = thing.spec.script.to_dict() if thing.spec.script else {}
    given = {key: value for key, value in given.items() if key not in ("file", "source")}
    try:
        script = Script.model_validate(given | {"source": text})
    except ValidationError as error:
        raise SpecError(f"script '{name}' cannot be in a pipeline: {problems(error)[0]}") from error
    return with_script(thing, script, name)


def with_script(thing: Pipeline, script: Script | None, name: str | None) -> Pipeline:
    """A pipeline with another script.

    :param name: of its file, where it is a text that has one
    """
    annotations = {key: value for key, value in thing.metadata.annotations.items() if key != UPLOADED} | ({UPLOADED: name} if name else {})
    metadata = thing.metadata.model_copy(update={"annotations": annotations})
    return thing.model_copy(update={"metadata": metadata, "spec": thing.spec.model_copy(update={"script": script})})


def script_name(thing: Pipeline) -> str | None:
    """Name of the file whose text it holds."""
    return thing.metadata.annotations.get(UPLOADED)
