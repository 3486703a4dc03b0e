"""Means over several frames. The state is in the object that the caller keeps."""

from collections import deque

import numpy as np
import numpy.typing as npt

from camstream.frame import Image

Mean = npt.NDArray[np.float64]


class BlockMean:
    """One mean for every N images."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = 0
        self._sum: Mean | None = None

    def add(self, image: Image) -> Mean | None:
        """Take an image; give the mean with the last one of each block. An image of another shape starts a new block."""
        if self._sum is None or self._sum.shape != image.shape:
            self._sum, self._seen = image.astype(np.float64), 1
        else:
            self._sum += image
            self._seen += 1
        if self._seen < self._count:
            return None
        mean, self._sum = self._sum / self._seen, None
        return mean


class RunningMean:
    """The mean of the last N images, with every image."""

    def __init__(self, count: int, *, from_first: bool) -> None:
        """:param from_first: give means of fewer images at the start, instead of none"""
        self._from_first = from_first
        self._images: deque[Image] = deque(maxlen=count)
        self._count = count
        self._sum: Mean = np.zeros((0, 0))

    def add(self, image: Image) -> Mean | None:
        """Take an image; give the mean. An image of another shape or type starts anew."""
        images = self._images
        if not images or (images[-1].shape, images[-1].dtype) != (image.shape, image.dtype):
            images.clear()
            self._sum = np.zeros(image.shape)
        if image.dtype.kind == "f":
            images.append(image)
            # Summed anew each time: adding and taking away floats drifts, and would keep a NaN for ever.
            self._sum = np.sum(np.stack(list(images)), axis=0, dtype=np.float64)
        else:
            if len(images) == self._count:
                self._sum -= images[0]
            images.append(image)
            self._sum += image
        if len(images) < self._count and not self._from_first:
            return None
        return self._sum / len(images)
