"""Scripts that clients upload, where workers do not see the gateway's files: their text travels in the pipelines that run them."""

from pathlib import Path

from pydantic import ValidationError

from camstream.errors import SpecError
from camstream.names import UPLOADED
from camstream.spec.base import problems
from camstream.spec.objects import Pipeline
from camstream.spec.script import Script


def with_uploaded(thing: Pipeline, file: Path | None, old: Pipeline | None) -> Pipeline:
    """A pipeline that was made from a configuration, with the text of its script.

    :param file: the script that its function names; None: none that is there
    :param old: what it was before
    :raises SpecError: if the script cannot be in a pipeline
    """
    if file is not None:
        return with_text(thing, file)
    script, name = thing.spec.script, old.metadata.annotations.get(UPLOADED) if old else None
    if script is None or old is None or old.spec.script is None or name is None:
        return _with(thing, script, None)
    if script.file == name:
        # It was deleted from the server, and runs on.
        return _with(thing, old.spec.script, name)
    # A text is nothing that a configuration can say, so that it was kept; this one was there for the function that it named.
    return _with(thing, None if script.source == old.spec.script.source else script, None)


def with_text(thing: Pipeline, file: Path) -> Pipeline:
    """A pipeline with a script as it is now.

    :raises SpecError: if it cannot be in a pipeline
    """
    if file.suffix != ".py":
        raise SpecError(f"script '{file.name}' cannot run in a pod: only Python can; put it into a worker's image, or write it in Python")
    given = thing.spec.script.to_dict() if thing.spec.script else {}
    try:
        text = file.read_text(encoding="utf-8")
        script = Script.model_validate({name: value for name, value in given.items() if name not in ("file", "source")} | {"source": text})
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"script '{file.name}' cannot be read: {error}; upload it again") from error
    except ValidationError as error:
        raise SpecError(f"script '{file.name}' cannot be in a pipeline: {problems(error)[0]}") from error
    return _with(thing, script, file.name)


def _with(thing: Pipeline, script: Script | None, name: str | None) -> Pipeline:
    annotations = {key: value for key, value in thing.metadata.annotations.items() if key != UPLOADED} | ({UPLOADED: name} if name else {})
    metadata = thing.metadata.model_copy(update={"annotations": annotations})
    return thing.model_copy(update={"metadata": metadata, "spec": thing.spec.model_copy(update={"script": script})})
