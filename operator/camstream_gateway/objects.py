"""What streams there are. Local mode reads them from a file; a cluster's form, `mirrored_objects`, has them from the mirror."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from camstream.spec.view import ObjectView, RunState

LOOK_S = 0.25
"""How often the state file is looked at; the supervisor writes it twice a second."""

SILENT_S = 5.0
"""A supervisor that has not written for this long is told to be gone."""


class StreamKey(NamedTuple):
    """How one stream is told from all others, in lower case as in the addresses of the page."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, view: ObjectView) -> "StreamKey":
        return cls(view.kind.lower(), view.namespace, view.name)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that streams, or should."""

    objects: dict[StreamKey, ObjectView]
    problems: tuple[str, ...] = ()
    """What is wrong as a whole, in words."""


class Objects(Protocol):
    """Where streams are known."""

    def watch(self) -> AsyncIterator[Snapshot]:
        """Everything as it is now, and again whenever something changes. It never ends by itself."""


class LocalObjects:
    """What one ``camstream run`` tells in its state file."""

    def __init__(self, state_file: Path) -> None:
        self._file = state_file

    async def watch(self) -> AsyncIterator[Snapshot]:
        last: Snapshot | None = None
        while True:
            snapshot = self._read(last)
            if snapshot != last:
                yield snapshot
                last = snapshot
            await asyncio.sleep(LOOK_S)

    def _read(self, last: Snapshot | None) -> Snapshot:
        objects = last.objects if last else {}
        try:
            silent_s = time.time() - self._file.stat().st_mtime
            state = RunState.model_validate_json(self._file.read_bytes())
        except OSError:
            return Snapshot(objects, ("`camstream run` has not told what it runs",))
        except ValidationError:
            return Snapshot(objects, (f"{self._file} is of another version of camstream; restart `camstream run`",))
        if silent_s > SILENT_S:
            return Snapshot(objects, ("`camstream run` no longer tells how its streams are; is it still there?",))
        return Snapshot({StreamKey.of(view): view for view in state.objects}, tuple(state.problems))


class Board:
    """The newest snapshot, for everybody who wants to know when there is a newer one."""

    def __init__(self) -> None:
        self.snapshot = Snapshot({})
        self._changed = asyncio.Event()

    def put(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, timeout_s: float) -> None:
        """Return at the next change, or after this time."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return


def public(view: ObjectView, now: float) -> dict[str, object]:
    """What a browser is told about an object. Paths and process ids are nobody's business there.

    :param now: [s since 1970]
    """
    told: dict[str, object] = view.model_dump(mode="json", by_alias=True, exclude={"pid", "log_file", "http_address", "last_frame_at"})
    told["ageSeconds"] = None if view.last_frame_at is None else round(max(now - view.last_frame_at, 0.0), 2)
    return told
