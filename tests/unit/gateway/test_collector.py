"""Every Background comes to an end that is told, whatever goes wrong."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from camstream.errors import BackgroundError, CamstreamError
from camstream.spec.key import Key
from camstream.spec.objects import Background, Camera, parse_object
from camstream.spec.status import BackgroundStatus, Phase
from camstream_gateway.backgrounds import Library, Mean
from camstream_gateway.cam_server.service import Service
from camstream_gateway.collector import Collector
from camstream_gateway.store import Refused, Unavailable

HEADER = {"apiVersion": "camstream.dev/v1alpha1"}
METADATA = {"namespace": "default", "uid": "1"}
CAMERA = parse_object(HEADER | {"kind": "Camera", "metadata": METADATA | {"name": "cam"}, "spec": {"source": {"simulation": {}}}})
ASKED = Background.model_validate(
    HEADER | {"kind": "Background", "metadata": METADATA | {"name": "dark"}, "spec": {"camera": {"name": "cam"}}}
)


class Store:
    """Holds one Background. Who tells its status is told the next of some errors, as long as there are any."""

    sees_files = False

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.told: list[BackgroundStatus] = []
        self.ended = asyncio.Event()

    async def watch_backgrounds(self) -> AsyncIterator[Background | Key | None]:
        yield ASKED
        yield None
        await asyncio.Event().wait()

    async def tell_background(self, _: Background, status: BackgroundStatus) -> bool:
        if self.errors and (error := self.errors.pop(0)):
            raise error
        self.told.append(status)
        if status.phase in (Phase.COMPLETED, Phase.FAILED):
            self.ended.set()
        return True


class Frames:
    """A service whose one camera gives the mean that a test says."""

    def __init__(self, folder: Path, mean: Callable[[], Any]) -> None:
        self.library, self.mirror = Library(folder, by_namespace=True), self
        self.collected = 0
        self._mean = mean

    async def wait(self, *_: Any) -> Camera:
        assert isinstance(CAMERA, Camera)
        return CAMERA

    async def mean(self, *_: Any) -> Any:
        self.collected += 1
        return self._mean()


def ended(store: Store, service: Frames) -> BackgroundStatus:
    """The status that is told at last."""

    async def run() -> None:
        task = asyncio.create_task(Collector(cast("Any", store), cast("Service", service)).run())
        try:
            await asyncio.wait_for(store.ended.wait(), 30)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return store.told[-1]


def pixels() -> Any:
    return np.zeros((2, 3), np.uint16)


def failing(error: Exception) -> Callable[[], Any]:
    def mean() -> Any:
        raise error

    return mean


def of_two_sizes() -> Any:
    mean = Mean()
    mean.add(pixels())
    mean.add(pixels().T)


def because_of(code: int) -> BackgroundError:
    error = BackgroundError("cannot be written")
    error.__cause__ = OSError(code, "x")
    return error


@pytest.mark.parametrize(
    ("mean", "reason"),
    [
        (of_two_sizes, "ShapeChanged"),
        (failing(CamstreamError("it is away")), "CameraOffline"),
        (failing(because_of(errno.ENOSPC)), "StorageFull"),
        (failing(because_of(errno.EACCES)), "StorageFailed"),
        (failing(BackgroundError("its id is taken")), "StorageFailed"),
    ],
    ids=["sizes", "offline", "full", "not writable", "id"],
)
def test_whatever_goes_wrong_is_told_as_the_end(mean: Callable[[], Any], reason: str, tmp_path: Path) -> None:
    status = ended(Store(), Frames(tmp_path, mean))
    assert (status.phase, status.conditions[0].reason) == (Phase.FAILED, reason)


def test_store_that_is_away_is_told_as_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    condition = ended(Store(), Frames(tmp_path / "file", pixels)).conditions[0]
    assert (condition.reason, condition.message) == (
        "StorageFailed",
        "the folder of the backgrounds cannot be looked at: Not a directory; look at the store",
    )


@pytest.mark.allow_errors
def test_mistake_of_ours_is_told_as_the_end(tmp_path: Path) -> None:
    status = ended(Store(), Frames(tmp_path, failing(ZeroDivisionError("our mistake"))))
    assert (status.phase, status.conditions[0].reason) == (Phase.FAILED, "InternalError")
    assert status.conditions[0].message == "ZeroDivisionError: our mistake; see the log of the gateway"


@pytest.mark.parametrize("error", [Unavailable("it is away"), Refused("it may not")])
def test_end_that_cannot_be_told_is_told_later_and_nothing_is_collected_twice(error: Exception, tmp_path: Path) -> None:
    service = Frames(tmp_path, pixels)
    store = Store(None, error)
    assert ended(store, service).phase is Phase.COMPLETED
    assert service.collected == 1
    assert len(list(tmp_path.rglob("*.npy"))) == 1
