"""Each test works in fresh processes with a cache of its own: what is in this process is compiled already."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from camstream_worker import app

ANALYSE = """
import sys
import numpy as np
from camstream.frame import Frame, Timestamp
from camstream.spec import PipelineSpec
from camstream.spec.pipeline import PipelineInput
from camstream.spec.processing import GoodRegion, Processing, Rotation, Slices, PipelineBackground
from camstream.spec.geometry import Binning, Mirror
from camstream.wire.compression import decompress
from camstream_worker.image.compression import compress, read_blocks
from camstream_worker.pipeline.plan import pipeline_plan

y, x = np.ogrid[-3:3:60j, -3:3:80j]
beam = 1000 * np.exp(-x**2 - y**2)
region = dict(good_region=GoodRegion(), slices=Slices(count=3), width_level=0.2)
dark = PipelineBackground()
settings = [Processing(), Processing(**region), Processing(background=dark, threshold=3, **region), Processing(binning=Binning(x=2, y=2)),
            Processing(rotation=Rotation(angle=3)), Processing(mirror=Mirror(x=True), background=dark, scale=0.5)]
for dtype in (np.uint8, np.uint16, np.int16, np.int32, np.uint32, np.float32, np.float64):
    image = np.minimum(beam, 255).astype(dtype)
    for processing in settings:
        spec = PipelineSpec(input=PipelineInput(address="tcp://h:1"), processing=processing)
        plan = pipeline_plan(spec, np.ones((60, 80), np.uint16), "{}")
        plan.prepare(Frame(1, Timestamp(1, 0), image))
        for frame in (image, image[:]):
            frame.flags.writeable = False
            assert plan.process(Frame(1, Timestamp(1, 0), frame))["x_fit_converged"]
    for image in (np.zeros((200, 400), dtype), np.ones((200, 400), dtype)[::2].copy()):
        part = compress("bitshuffle_lz4", image, "little")
        for received in (part, bytes(part), bytearray(part)):
            decompress("bitshuffle_lz4", received, image.dtype, image.nbytes, image.nbytes, "image", read_blocks)
    if dtype is np.uint16:
        print([name for name in sys.modules if name.startswith(("scipy.ndimage", "scipy.linalg"))])
from camstream_worker.image.compile import misses
print(misses())
"""

EVERYWHERE = """
import numpy as np
from camstream.spec.processing import Rotation
from camstream.errors import WireError
from camstream.wire.compression import decompress
from camstream_worker.image.compression import compress, read_blocks
from camstream_worker.image.gaussian import curve, fit_gaussian
from camstream_worker.image.geometry import Region, bin_image, whole
from camstream_worker.image.moments import moments
from camstream_worker.image.pixels import correct, measure
from camstream_worker.image.rotation import rotate
from camstream_worker.image.width import full_width

rng = np.random.default_rng(0)
for height, width in ((1, 1), (1, 9), (9, 1), (3, 8), (4, 4), (37, 53)):
    image = rng.integers(0, 60000, (height, width), np.uint16)
    for region in (whole(image.shape), Region(width // 2, height // 2, width - width // 2, height - height // 2)):
        measure(image, region)
        for dark in (None, image[region.slices].copy()):
            for keep in (True, False):
                correct(image, region, dark, 3, keep=keep)
        for angle in (0, 3.5, 45, 90, -133, 180):
            rotate(image, Rotation(angle=angle), region)
    bin_image(image, min(width, 3), min(height, 2), mean=True)
    bin_image(image, min(width, 2), 1, mean=False)
for count in (1, 2, 3, 4, 5, 64, 400):
    axis = np.arange(float(count))
    for profile in (np.exp(-((axis - count / 2) ** 2) / count), rng.normal(0, 1, count), np.eye(1, count, count - 1)[0]):
        fit = fit_gaussian(axis, profile)
        curve(axis, fit)
        moments(axis, profile, *fit[:1], *fit[2:4])
        full_width(axis, profile, 0.5)
for image in (rng.integers(0, 4000, 50_000).astype(np.uint16), rng.integers(0, 2, 70_000).astype(np.int32), np.zeros(100_000, np.uint8)):
    part = bytearray(compress("bitshuffle_lz4", image, "little"))
    for _ in range(200):
        try:
            decompress("bitshuffle_lz4", bytes(part), image.dtype, image.nbytes, image.nbytes, "image", read_blocks)
        except WireError:
            pass
        part[rng.integers(12, len(part))] = rng.integers(256)
print("inside")
"""


def python(cache, *arguments, **settings):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)} | settings
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kernels")
    told = python(directory, "-m", "camstream_worker.image.compile")
    assert "compile fit" in told
    assert not told.endswith("\n0 compiled, all others were there\n")
    return directory


def test_after_compilation_nothing_is_compiled_for_any_pixel_type_and_scipy_is_not_loaded_for_cameras(cache):
    assert python(cache, "-c", ANALYSE).splitlines() == ["[]", "{}"]


def test_second_compilation_finds_everything_there(cache):
    assert python(cache, "-m", "camstream_worker.image.compile").endswith("\n0 compiled, all others were there\n")


def test_a_read_only_cache_is_copied_and_used(cache, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    # Root may write anywhere but on a read-only file system, which this stands for.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    app._have_writable_kernels()
    copied = Path(os.environ["NUMBA_CACHE_DIR"])
    try:
        assert copied != cache
        assert python(copied, "-m", "camstream_worker.image.compile").endswith("\n0 compiled, all others were there\n")
    finally:
        shutil.rmtree(copied)


def test_a_writable_cache_is_used_where_it_is(cache, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    app._have_writable_kernels()
    assert os.environ["NUMBA_CACHE_DIR"] == str(cache)


def test_no_kernel_reaches_outside_of_its_arrays(tmp_path):
    assert python(tmp_path, "-c", EVERYWHERE, NUMBA_BOUNDSCHECK="1") == "inside\n"
