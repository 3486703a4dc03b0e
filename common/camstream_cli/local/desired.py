"""What shall run on this machine: what the manifests say, and what was changed since through the gateway."""

import json
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from camstream.errors import CamstreamError, SpecError
from camstream.idling import stamp
from camstream.spec.base import Spec
from camstream.spec.key import Key
from camstream.spec.objects import AnyObject, Background, Camera, Pipeline, parse_object
from camstream_cli.local.build import refusal
from camstream_cli.local.files import remove_file, replace_file

SUFFIX = ".json"


class Desired:
    """The newest word about every object, wherever it came from: a manifest that is edited, or a client that asks."""

    def __init__(self, folder: Path | None = None) -> None:
        """
        :param folder: where objects that were made or changed by clients are kept for the next run; None: nowhere
        :raises CamstreamError: if the folder holds what is no object of ours
        """
        self._folder = folder
        self._files: dict[Key, AnyObject] = {}
        self._asked: dict[Key, AnyObject | None] = dict(_kept(folder)) if folder else {}
        self._created: dict[Key, dict[str, str]] = {}
        self._generations: dict[Key, tuple[Spec, int]] = {}

    @property
    def objects(self) -> list[Camera | Pipeline]:
        """Cameras and pipelines."""
        return [thing for thing in self._all() if not isinstance(thing, Background)]

    @property
    def backgrounds(self) -> list[Background]:
        return [thing for thing in self._all() if isinstance(thing, Background)]

    def use_files(self, objects: Collection[AnyObject]) -> None:
        """Take over what the manifests say now. Where one has changed, it wins over what clients asked for before."""
        fresh = {Key.of(thing): thing for thing in objects}
        for key in self._files.keys() | fresh.keys():
            if key in self._files and self._files.get(key) != fresh.get(key):
                self._asked.pop(key, None)
        self._files = fresh
        self._forget()

    def apply(self, thing: AnyObject) -> AnyObject:
        """Make or replace one object.

        :raises ImmutableField: if it is there, and fields of it that cannot change would
        :raises SpecError: if it cannot be kept
        """
        key = Key.of(thing)
        old = self.get(key)
        refused = refusal(old, thing) if old else None
        if refused:
            raise refused
        if self._folder and not _is_private(thing):
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                replace_file(self._folder / f"{key.folder}{SUFFIX}", json.dumps(_manifest(thing), indent=1))
            except OSError as error:
                raise SpecError(f"{key} cannot be kept in {self._folder}: {error.strerror}; make room, or let it be writable") from error
        self._asked[key] = thing
        return self._stamped(key, thing)

    def delete(self, key: Key) -> bool:
        """Whether there was such an object. One of a manifest comes back when the manifest is edited."""
        if self.get(key) is None:
            return False
        if key in self._files:
            self._asked[key] = None
        else:
            self._asked.pop(key)
        if self._folder:
            remove_file(self._folder / f"{key.folder}{SUFFIX}")
        self._forget()
        return True

    def get(self, key: Key) -> AnyObject | None:
        return self._asked[key] if key in self._asked else self._files.get(key)

    def _all(self) -> list[AnyObject]:
        found = {**self._files, **self._asked}
        return [self._stamped(key, thing) for key, thing in found.items() if thing is not None]

    def _stamped(self, key: Key, thing: AnyObject) -> AnyObject:
        """With the time of its creation and the number of its spec, as Kubernetes would add them."""
        if key not in self._created:
            # Only of a Background somebody has to know whether it was made anew; in those that are edited it would be a part of the ETag.
            uid = {"uid": str(uuid.uuid4())} if isinstance(thing, Background) else {}
            self._created[key] = {"creation_timestamp": stamp(datetime.now(UTC)), **uid}
        told = {**self._created[key], "generation": self._generation(key, thing)}
        metadata = thing.metadata.model_validate(thing.metadata.model_dump() | told)
        return thing.model_copy(update={"metadata": metadata})

    def _generation(self, key: Key, thing: AnyObject) -> int:
        """Counts the specs that an object has had: what is told about an older one is told apart."""
        spec, number = self._generations.get(key, (None, 0))
        if spec is not thing.spec and spec != thing.spec:
            number += 1
        self._generations[key] = thing.spec, number
        return number

    def _forget(self) -> None:
        gone = [key for key in self._created if self.get(key) is None]
        for key in gone:
            del self._created[key]
            self._generations.pop(key, None)


def _is_private(thing: AnyObject) -> bool:
    return not isinstance(thing, Background) and thing.spec.lifecycle.delete_when_idle


def _manifest(thing: AnyObject) -> dict[str, object]:
    metadata = thing.metadata
    told = {"name": metadata.name, "namespace": metadata.namespace, "labels": metadata.labels, "annotations": metadata.annotations}
    return {"apiVersion": thing.api_version, "kind": thing.kind, "metadata": told, "spec": thing.spec.to_dict()}


def _kept(folder: Path) -> dict[Key, AnyObject]:
    found: dict[Key, AnyObject] = {}
    for file in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []:
        try:
            thing = parse_object(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            raise CamstreamError(f"{file} is no object that was kept by `camstream run`: {error}; correct it or move it away") from error
        found[Key.of(thing)] = thing
    return found
