"""What the worker of each object runs with on this machine: pure, from the objects and where each of them listens."""

from collections.abc import Mapping
from pathlib import Path

from camstream.errors import ImmutableField, SpecError
from camstream.resolve import Addresses, Place, resolve
from camstream.spec.base import Change, changes
from camstream.spec.key import Key
from camstream.spec.objects import AnyObject, Camera, Pipeline
from camstream.spec.worker import Objects, StoredBackground, WorkerConfig
from camstream_cli.local.ports import HTTP_HOST, Endpoint

Endpoints = Mapping[Key, Endpoint | SpecError]


def build_config(
    thing: Camera | Pipeline,
    objects: Objects,
    endpoints: Endpoints,
    background: StoredBackground | None,
    scripts: Path | None = None,
    files: Path | None = None,
) -> WorkerConfig:
    """Resolve one object.

    :param endpoints: of every object, or why it has none
    :param background: what :func:`~camstream.decide.wanted_background` asks for, where there is such a file
    :param scripts: the script of the object as a file, where it comes from a ConfigMap
    :param files: below which folder workers may write
    :raises SpecError: if the object has no place to listen, or cannot read what it refers to
    :raises BrokenReference: if it reads an object that does not exist
    """
    endpoint = endpoints[Key.of(thing)]
    if isinstance(endpoint, SpecError):
        raise endpoint

    def found(where: Key) -> Endpoint:
        other = endpoints[where]
        if isinstance(other, SpecError):
            raise SpecError(f"{Key.of(thing)} uses {where}, which has no address: {other}")
        return other

    place = Place(
        endpoint.listen,
        HTTP_HOST,
        endpoint.http_port,
        gather_address=endpoint.gather,
        script_path=str(scripts) if scripts else None,
        files_folder=str(files) if files else None,
    )
    addresses = Addresses(stream=lambda where: found(where).local, gather=lambda where: found(where).gather)
    return resolve(thing, objects, place, addresses, background)


def stream_address(thing: Camera | Pipeline, endpoint: Endpoint | SpecError | None) -> str | None:
    """Where clients find the stream; None where they find none, or only the worker knows where it goes."""
    if not thing.spec.output.is_listening:
        return thing.spec.output.connect
    return endpoint.public if isinstance(endpoint, Endpoint) else None


def refusal(old: AnyObject, new: AnyObject) -> ImmutableField | None:
    """Why an object cannot become another one."""
    assert type(old) is type(new)  # noqa: S101 - a key holds the kind
    fixed = [f"spec.{change.path}" for change in changes(old.spec, new.spec) if change.change is Change.IMMUTABLE]
    if not fixed:
        return None
    return ImmutableField(
        f"{Key.of(new)}: {' and '.join(fixed)} cannot change, so the object stays as it was; "
        f"undo the edit, or delete the object and create it anew"
    )
