"""Each test works in fresh processes with a cache of its own: what is in this process is compiled already."""

import os
import subprocess
import sys

import pytest

ANALYSE = """
import sys
import numpy as np
from camstream.frame import Frame, Timestamp
from camstream.spec import PipelineSpec
from camstream.spec.pipeline import PipelineInput
from camstream.spec.processing import GoodRegion, Processing, Rotation, Slices, PipelineBackground
from camstream.spec.geometry import Binning, Mirror
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
    if dtype is np.uint16:
        print([name for name in sys.modules if name.startswith(("scipy.ndimage", "scipy.linalg"))])
from camstream_worker.image.compile import misses
print(misses())
"""


def python(cache, *arguments):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
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


def test_compiled_kernels_can_be_copied_to_another_place(cache, tmp_path):
    copy = "import sys, pathlib; from camstream_worker.image.compile import copy_cache; copy_cache(*map(pathlib.Path, sys.argv[1:]))"
    python(cache, "-c", copy, str(cache), str(tmp_path / "there"))
    assert python(tmp_path / "there", "-m", "camstream_worker.image.compile").endswith("\n0 compiled, all others were there\n")
