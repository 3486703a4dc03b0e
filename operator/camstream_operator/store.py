"""Everything that was last seen of the cluster, small enough for thousands of objects.

Objects are kept as compressed JSON and parsed when they are needed: a parsed one takes many times the memory. By LZ4, which
is quick: at the start a new object waits until all others are packed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import lz4.block
from pydantic_core import from_json, to_json

from camstream.names import KIND_LABEL, NAME_LABEL, WAKE, is_background_of
from camstream.spec.key import Key
from camstream.spec.objects import KINDS, Camera, Pipeline
from camstream.spec.output import LifecycleMode
from camstream.spec.status import Phase
from camstream_operator.decide.pods import essence_of_pod
from camstream_operator.metrics import State, state_of

Body = dict[str, Any]

STREAMING: Final = ("Camera", "Pipeline")

BACKGROUND: Final = {"Camera": ("spec", "background"), "Pipeline": ("spec", "processing", "background")}
"""Where an object asks for a background."""

GONE: Final = 4096
"""Deletions that are remembered: more than can happen while a request is on its way."""

MODELS: Final = 128
"""Cameras and pipelines that are kept parsed."""


class Stored(NamedTuple):
    """A background that can be used."""

    name: str
    """Its id."""
    sha256: str
    """Of its file."""


@dataclass(slots=True)
class Entry:
    """One object as it was last seen."""

    version: int
    uid: str
    generation: int
    """Counts edits of the spec."""
    body: bytes
    """Compressed JSON."""
    owner: Key | None
    """The object of ours that it belongs to: itself, or what its labels say."""
    external: Key | None = None
    """Of a camera or pipeline: its external name (in the place of the name)."""
    reads: frozenset[Key] = frozenset()
    """Of a pipeline: what it refers to, there or not."""
    told: int = 0
    """The generation that its status is about; 0: it has no status."""
    run: str = ""
    """Of a camera or pipeline: when it is to run, and who asked for it."""

    state: State | None = None
    """Of a camera or pipeline: what its status says, in short."""
    subtracts: bool = False
    """Whether it asks for a background."""
    stored: Stored | None = None
    """Of a Background: what is in the store."""

    @property
    def on_demand(self) -> bool:
        return self.run.startswith(LifecycleMode.ON_DEMAND)


class Index(dict[Key, set[Key]]):
    """Sets of keys by key; an empty one is not kept."""

    def add(self, at: Key, key: Key) -> None:
        self.setdefault(at, set()).add(key)

    def discard(self, at: Key, key: Key) -> None:
        keys = self.get(at, set())
        keys.discard(key)
        if not keys:
            self.pop(at, None)


class Store:
    """Knows what is there. Answers who has to be looked at when something changes."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._readers = Index()
        """Pipelines, by what they refer to: there or not."""
        self._names = Index()
        """Objects, by their external name (in the place of the name)."""
        self._pods = Index()
        """Pods, by whom they work for."""
        self._on_demand: set[Key] = set()
        """Objects that run only when they are asked for."""
        self._subtracting: set[Key] = set()
        """Objects that ask for a background."""
        self._backgrounds: set[Key] = set()
        """Backgrounds that can be used."""
        self._gone: dict[str, int] = {}
        """Version at which objects were deleted, by uid: the answer to a write may come later than the news of the deletion."""
        self.objects = Objects(self._entries)

    # ------------------------------------------------------------------ changes

    def put(self, kind: str, found: Body) -> set[Key]:
        """Take in what was seen of an object.

        :returns: who has to be looked at; nobody where it is no news
        """
        metadata = found["metadata"]
        key = Key(kind, metadata.get("namespace") or "", metadata["name"])
        version, old = int(metadata["resourceVersion"]), self._entries.get(key)
        if version < self._gone.get(metadata["uid"], 0):
            return set()
        if old is not None and old.version >= version:
            # Known, or a late word about what has changed, or was deleted and made anew, since.
            return set()
        entry = Entry(version, metadata["uid"], metadata.get("generation", 0), _compact(kind, found), _owner(key, metadata))
        if kind in STREAMING:
            entry.external, entry.reads = external_name(key, found), referred_by(key, found)
            status = found.get("status") or {}
            entry.told, entry.state = status.get("observedGeneration") or 0, state_of(status)
            entry.run = _run(found)
            entry.subtracts = _part(found, *BACKGROUND[kind]) is not None
        elif kind == "Background":
            entry.stored = _stored(found)
        self._entries[key] = entry
        if old is not None and old.body == entry.body and old.uid == entry.uid:
            return set()
        self._index(key, old, entry)
        concerned = self._concerned(key, entry, whole=old is None or (old.uid, old.generation) != (entry.uid, entry.generation))
        if old is not None:
            # Also those to whom it belonged until now.
            concerned |= self._concerned(key, old, whole=old.uid != entry.uid)
        if kind in STREAMING and (old is None or (old.run, old.reads) != (entry.run, entry.reads)):
            concerned |= self.related(key) & self._on_demand
        return concerned

    def remove(self, kind: str, namespace: str, name: str, uid: str, version: int) -> set[Key]:
        """Forget an object that is gone, or that is not ours any more.

        :param uid: nothing is done where another object has its name by now
        :param version: of the deletion; what is newer is kept
        """
        self._gone[uid] = version
        if len(self._gone) > GONE:
            del self._gone[next(iter(self._gone))]
        key = Key(kind, namespace, name)
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid or entry.version > version:
            return set()
        del self._entries[key]
        self._index(key, entry, None)
        return self._concerned(key, entry, whole=True)

    def _concerned(self, key: Key, entry: Entry, whole: bool) -> set[Key]:
        if key.kind == "Background":
            return {one for one in self._subtracting if one.namespace == key.namespace} if entry.stored else set()
        if key.kind not in STREAMING:
            return {entry.owner} if entry.owner else set()
        # Those that read it, and so on: circles and cameras at the start of a chain may be far away.
        concerned, new = {key}, {key} if whole else set()
        while new:
            new = {reader for one in new for reader in self._readers.get(one, ())} - concerned
            concerned |= new
        if whole and entry.external:
            concerned |= self._names.get(entry.external, set())
        return concerned

    def _index(self, key: Key, old: Entry | None, new: Entry | None) -> None:
        for entry, change in ((old, Index.discard), (new, Index.add)):
            if entry is None:
                continue
            if key.kind == "Pod" and entry.owner:
                change(self._pods, entry.owner, key)
            if entry.external:
                change(self._names, entry.external, key)
            for other in entry.reads:
                change(self._readers, other, key)
        for keys, wanted in (
            (self._on_demand, new is not None and new.on_demand),
            (self._subtracting, new is not None and new.subtracts),
            (self._backgrounds, new is not None and new.stored is not None),
        ):
            (keys.add if wanted else keys.discard)(key)

    # ------------------------------------------------------------------ questions

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        """An object as it was last seen, without managed fields."""
        entry = self._entries.get(Key(kind, namespace, name))
        return _parsed(entry) if entry else None

    def pods(self, key: Key) -> list[Body]:
        """Pods that work for an object."""
        return [_parsed(self._entries[pod]) for pod in sorted(self._pods.get(key, ()))]

    def related(self, key: Key) -> set[Key]:
        """Cameras and pipelines that are there and get messages from it or send some to it, near or far, and itself."""
        found, new = {key}, {key}
        while new:
            near = (self._readers.get(one, set()) | (self._entries[one].reads if one in self._entries else set()) for one in new)
            new = {one for some in near for one in some if one in self._entries} - found
            found |= new
        return found & self._entries.keys()

    def background(self, namespace: str, name: str | None, camera: str | None) -> Stored | None:
        """A background by its id or, without one, the latest of a camera.

        :param camera: external name
        """
        there = (self._entries[key].stored for key in self._backgrounds if key.namespace == namespace)
        fits = (one for one in there if one and (one.name == name if name else camera is not None and is_background_of(camera, one.name)))
        return max(fits, default=None)

    def version(self, key: Key) -> int:
        """Of an object that is there, as it was last seen."""
        return self._entries[key].version

    def first_of_name(self, key: Key) -> Key:
        """Who owns the external name of an object: the oldest of those that claim it."""
        external = self._entries[key].external
        rivals = self._names.get(external, {key}) if external else {key}
        return min(rivals, key=lambda one: (_created(self._entries[one]), one.name)) if len(rivals) > 1 else key

    def unattended(self, key: Key) -> bool:
        """Whether the status of an object is not about its newest spec."""
        entry = self._entries[key]
        return entry.told != entry.generation

    def untold(self) -> list[Key]:
        """Cameras and pipelines that have no status yet: nobody has ever looked after them."""
        return [key for key in self.streaming() if not self._entries[key].told]

    def versions(self, kind: str) -> dict[Key, tuple[int, str]]:
        """Version and uid of all objects of a kind."""
        return {key: (entry.version, entry.uid) for key, entry in self._entries.items() if key.kind == kind}

    def states(self) -> list[tuple[Key, State]]:
        """Every camera and pipeline, and what its status says, in short. Another thread may ask."""
        return [(key, entry.state) for key, entry in list(self._entries.items()) if entry.state is not None]

    def streaming(self) -> list[Key]:
        """All cameras and pipelines."""
        return [key for key in self._entries if key.kind in STREAMING]


class Objects(Mapping[Key, Camera | Pipeline]):
    """Cameras and pipelines as models, made when they are asked for."""

    def __init__(self, entries: Mapping[Key, Entry]) -> None:
        self._entries = entries
        # The same few are asked for again and again, where pipelines are chained.
        self._model = lru_cache(MODELS)(_model)

    def __getitem__(self, key: Key) -> Camera | Pipeline:
        """:raises pydantic.ValidationError: if what is stored is not valid"""
        if key.kind not in STREAMING:
            raise KeyError(key)
        return self._model(key.kind, self._entries[key].body)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, Key) and key.kind in STREAMING and key in self._entries

    def __iter__(self) -> Iterator[Key]:
        return (key for key in self._entries if key.kind in STREAMING)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _model(kind: str, body: bytes) -> Camera | Pipeline:
    found = KINDS[kind].model_validate_json(lz4.block.decompress(body), extra="ignore")
    assert isinstance(found, (Camera, Pipeline))  # noqa: S101 - the key says so
    return found


def _compact(kind: str, found: Body) -> bytes:
    if kind == "Pod":
        found = essence_of_pod(found)
    metadata = {name: value for name, value in found["metadata"].items() if name not in ("managedFields", "resourceVersion")}
    annotations = metadata.get("annotations")
    if annotations:
        # What kubectl keeps for itself is as large as the object.
        metadata["annotations"] = {n: v for n, v in annotations.items() if n != "kubectl.kubernetes.io/last-applied-configuration"}
    # An item of a list has its parts in another order than the same object alone; within them the API server sorts.
    parts = sorted((found | {"metadata": metadata}).items())
    packed: bytes = lz4.block.compress(to_json(dict(parts)))
    return packed


def _parsed(entry: Entry) -> Body:
    found: Body = from_json(lz4.block.decompress(entry.body), cache_strings="keys")
    return found


def _owner(key: Key, metadata: Body) -> Key | None:
    if key.kind in KINDS:
        return key
    labels = metadata.get("labels") or {}
    kind, name = labels.get(KIND_LABEL), labels.get(NAME_LABEL)
    return Key(kind, key.namespace, name) if kind in STREAMING and name else None


def _created(entry: Entry) -> str:
    return str(_parsed(entry)["metadata"].get("creationTimestamp", ""))


def external_name(key: Key, body: Body) -> Key:
    """Of a camera or pipeline, valid or not (in the place of the name)."""
    return Key(key.kind, key.namespace, _text(body, "spec", "externalName") or key.name)


def referred_by(key: Key, body: Body) -> frozenset[Key]:
    """What a pipeline reads, merges and sends to, there or not."""
    if key.kind != "Pipeline":
        return frozenset()
    places = [(kind, _text(body, "spec", part, kind.lower(), "name")) for part in ("input", "merge") for kind in STREAMING]
    places.append(("Pipeline", _text(body, "spec", "output", "pipeline", "name")))
    return frozenset(Key(kind, key.namespace, name) for kind, name in places if name)


def _run(body: Body) -> str:
    annotations = body["metadata"].get("annotations")
    asked = annotations.get(WAKE) if isinstance(annotations, dict) else None
    return f"{_text(body, 'spec', 'lifecycle', 'mode')} {asked}"


def _stored(body: Body) -> Stored | None:
    name, sha256 = _text(body, "status", "name"), _text(body, "status", "sha256")
    return Stored(name, sha256) if name and sha256 and _text(body, "status", "phase") == Phase.COMPLETED else None


def _text(body: Any, *path: str) -> str | None:
    found = _part(body, *path)
    return found if isinstance(found, str) else None


def _part(body: Any, *path: str) -> Any:
    """A part of an object that may be anything: what is stored may be older than the schema."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body
