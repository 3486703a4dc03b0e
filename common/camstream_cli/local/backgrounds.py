"""Backgrounds of this machine: the files, ``<id>.npy`` in one folder, and the objects that ask for them."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from camstream.names import is_background_of
from camstream.spec.key import Key
from camstream.spec.objects import Background
from camstream.spec.status import BackgroundStatus, Phase
from camstream.spec.view import ObjectView
from camstream.spec.worker import StoredBackground
from camstream.view import view_of_background
from camstream_cli.local.build import refusal
from camstream_cli.local.files import remove_file, replace_file

SUFFIX = ".npy"
RECORDS = ".records"
"""Folder below that of the files: which of them was collected for which Background."""


class BackgroundFolder:
    """Finds backgrounds. Never writes one: that is for the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digests: dict[tuple[Path, int, int], str] = {}

    def find(self, name: str | None, camera: str | None) -> StoredBackground | None:
        """A background by its id or, without one, the latest of a camera.

        :param camera: external name, as in ``<camera>_YYYYMMDD_HHMMSS_ffffff``
        :returns: None where there is no such file
        """
        found = self._latest(camera) if name is None and camera else name
        path = self.file(found) if found else None
        return StoredBackground(name=path.stem, path=str(path.resolve()), sha256=self._digest(path)) if path else None

    def file(self, name: str) -> Path | None:
        """Where a background is, by its id; None where there is no such file."""
        path = self.folder / f"{name}{SUFFIX}"
        # A name is one file of this folder, whatever it says.
        if path.parent != self.folder or name.startswith(".") or "\0" in name or not path.is_file():
            return None
        return path

    def _latest(self, camera: str) -> str | None:
        names = (path.stem for path in self.folder.glob(f"*{SUFFIX}"))
        return max((name for name in names if is_background_of(camera, name)), default=None)

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        version = (path, stat.st_mtime_ns, stat.st_size)
        if version not in self._digests:
            with path.open("rb") as file:
                self._digests[version] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[version]


class BackgroundObjects:
    """The Backgrounds of a run, with the status that the gateway tells. The next run knows from a record which of them are collected."""

    def __init__(self, folder: BackgroundFolder) -> None:
        self._folder = folder
        self._objects: dict[Key, Background] = {}
        self._refused: dict[Key, str] = {}
        self._unkept: dict[Key, str] = {}
        """Those whose record could not be written, and why."""

    def apply(self, objects: Collection[Background]) -> None:
        """Want exactly these objects from now on. One that was edited stays as it was: nothing of a Background can change."""
        before, self._objects, self._refused = self._objects, {}, {}
        for thing in objects:
            key = Key.of(thing)
            old = before.get(key)
            if old is None:
                self._objects[key] = self._recorded(thing)
            elif refused := refusal(old, thing):
                self._objects[key], self._refused[key] = old, str(refused)
            else:
                self._objects[key] = thing.model_copy(update={"status": old.status})
        for key in before.keys() - self._objects.keys():
            # Who makes it anew wants another one.
            remove_file(self._record(key))
            self._unkept.pop(key, None)

    def tell(self, key: Key, uid: str | None, status: BackgroundStatus) -> bool:
        """Take over how a Background is.

        :param uid: of the one that is meant: another of its name may have been made meanwhile
        :returns: whether it is still there
        """
        found = self._objects.get(key)
        if found is None or found.metadata.uid != uid:
            return False
        self._objects[key] = told = found.model_copy(update={"status": status})
        self._unkept.pop(key, None)
        if status.phase is Phase.COMPLETED and told.spec.camera:
            self._keep(key, told)
        elif status.phase is Phase.FAILED:
            remove_file(self._record(key))
        return True

    def told(self) -> dict[Key, str]:
        """Every Background with its status, as JSON."""
        return {key: json.dumps({"object": thing.model_dump(mode="json", by_alias=True)}) for key, thing in self._objects.items()}

    def views(self) -> list[ObjectView]:
        """How every Background is, now."""
        remarks = self._unkept | self._refused
        return [view_of_background(thing, remarks.get(key, "")) for key, thing in self._objects.items()]

    def _record(self, key: Key) -> Path:
        return self._folder.folder / RECORDS / f"{key.folder}.json"

    def _keep(self, key: Key, thing: Background) -> None:
        path = self._record(key)
        try:
            path.parent.mkdir(exist_ok=True)
            replace_file(path, thing.model_dump_json(by_alias=True, indent=1))
        except OSError as error:
            # The background itself is stored and in use.
            self._unkept[key] = f"{key}: cannot write {path}: {error.strerror}; the next `camstream run` will collect another one"

    def _recorded(self, thing: Background) -> Background:
        """With the id of what was collected for it in a run before. The gateway looks at the file and tells the rest."""
        try:
            record = Background.model_validate_json(self._record(Key.of(thing)).read_bytes())
        except (OSError, ValidationError):
            return thing
        name = record.status.name
        if record.spec != thing.spec or name is None or self._folder.file(name) is None:
            return thing
        return thing.model_copy(update={"status": BackgroundStatus(name=name)})
