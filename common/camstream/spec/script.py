"""Users' own programs, and where they come from."""

from typing import Annotated, ClassVar

from pydantic import Field, JsonValue

from camstream.spec.base import LIVE, ROLLOUT, Rule, Spec, exactly_one
from camstream.spec.fields import Seconds


class ConfigMapKey(Spec):
    """One entry of a ConfigMap of the same namespace."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1, max_length=253)]
    """Of the ConfigMap."""
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)] = "script.py"
    """Of the entry."""


SCRIPT_KINDS = ("source", "configMap", "file", "module")


class Script(Spec):
    """A user's own program: exactly one of source, configMap, file and module. It runs in the worker, and with its rights only."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one(SCRIPT_KINDS),)

    source: Annotated[str | None, Field(min_length=1, max_length=262_144), LIVE] = None
    """The program itself, in Python. An edit takes effect at the next frame."""
    config_map: Annotated[ConfigMapKey | None, ROLLOUT] = None
    """An entry of a ConfigMap. An edit of its text takes effect when the node has it, within about a minute."""
    file: Annotated[str | None, Field(min_length=1, max_length=4096), ROLLOUT] = None
    """A file, as the worker sees it. An edit of it takes effect at once."""
    module: Annotated[str | None, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=256), ROLLOUT] = None
    """A module that is installed in the worker's image."""
    function: Annotated[str | None, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)] = None
    """What to call. Default: process_image or process; for type Script, run."""
    libraries: Annotated[list[Annotated[str, Field(min_length=1, max_length=4096)]], Field(max_length=32), ROLLOUT] = []
    """Folders with modules that it imports, as the worker sees them."""
    parameters: dict[str, JsonValue] = {}
    """Handed to the function, beside the worker's own."""
    timeout_seconds: Seconds = 30
    """A call that takes longer is told in the status, and ends the worker. 0: never."""
