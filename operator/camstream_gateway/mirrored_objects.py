"""What the page shows of a cluster: the objects of the mirror, as their status tells."""

from collections.abc import AsyncIterator

from camstream.errors import BrokenReference
from camstream.spec.worker import camera_of
from camstream.view import view_of
from camstream_gateway.mirror import Mirror
from camstream_gateway.objects import Snapshot, StreamKey


class MirroredObjects:
    """Every camera and pipeline of a cluster. How fast a stream runs is not in its status: who shows it asks its worker."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    async def watch(self) -> AsyncIterator[Snapshot]:
        last: Snapshot | None = None
        while True:
            changed = self._mirror.changed
            snapshot = self._snapshot()
            if snapshot != last:
                yield snapshot
                last = snapshot
            await changed.wait()

    def _snapshot(self) -> Snapshot:
        things = {held.key: held.thing for held in self._mirror.all()}
        views = []
        for held in self._mirror.all():
            try:
                camera = camera_of(held.thing, things)
            except BrokenReference:
                camera = None
            views.append(view_of(held.thing, held.thing.status, None, camera=camera, http_address=held.http_address))
        return Snapshot({StreamKey.of(view): view for view in views})
