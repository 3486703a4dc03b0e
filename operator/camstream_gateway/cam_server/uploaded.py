"""Scripts that clients upload, where workers do not see the gateway's files: their text travels in the pipelines that run them."""

from pathlib import Path

from camstream.errors import SpecError
from camstream.spec.legacy.scripts import embedded, script_name, with_script
from camstream.spec.objects import Pipeline


def with_uploaded(thing: Pipeline, file: Path | None, old: Pipeline | None) -> Pipeline:
    """A pipeline that was made from a configuration, with the text of its script.

    :param file: the script that its function names; None: none that is there
    :param old: what it was before, or another one that holds the text of its function
    :raises SpecError: if the script cannot be in a pipeline
    """
    if file is not None:
        return with_text(thing, file)
    script, name = thing.spec.script, script_name(old) if old else None
    if script is None or old is None or old.spec.script is None or name is None:
        return with_script(thing, script, None)
    if script.file == name and old.spec.script.source is not None:
        # It is not on the server, and runs all the same.
        return embedded(thing, name, old.spec.script.source)
    # A text is nothing that a configuration can say, so that it was kept; this one was there for the function that it named.
    return with_script(thing, None if script.source == old.spec.script.source else script, None)


def with_text(thing: Pipeline, file: Path) -> Pipeline:
    """A pipeline with a script as it is now.

    :raises SpecError: if it cannot be in a pipeline
    """
    try:
        text = file.read_text(encoding="utf-8") if file.suffix == ".py" else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"script '{file.name}' cannot be read: {error}; upload it again") from error
    return embedded(thing, file.name, text)
