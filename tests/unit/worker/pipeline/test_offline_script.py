"""A script on recorded images, without a worker."""

from pathlib import Path

import numpy as np
import pytest

from camstream.errors import ScriptError
from camstream.spec.processing import Processing
from camstream_worker.pipeline.offline import run_script

IMAGES = [np.full((4, 6), level, np.uint16) for level in (1, 2, 3)]
X, Y = np.arange(6, dtype=np.float32), np.arange(4, dtype=np.float32)

SCRIPT = """
def process(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    parameters["seen"] = parameters.get("seen", 0) + 1
    image[0, 0] = 0
    return {"sum": int(image.sum()), "seen": parameters["seen"], "pulse": pulse_id, "beside": bsdata.get("x")}
"""


def test_every_image_gives_a_result_and_stays_as_it_was() -> None:
    results = run_script(SCRIPT, IMAGES, X, Y, bsdata=[{"x": 7}, {}, {"x": 9}])
    assert [found and (found["sum"], found["seen"], found["pulse"], found["beside"]) for found in results] == [
        (23, 1, 1, 7),
        (46, 2, 2, None),
        (69, 3, 3, 9),
    ]
    assert [int(image[0, 0]) for image in IMAGES] == [1, 2, 3]


def test_steps_before_the_script_are_made_where_they_are_given() -> None:
    processing = Processing.model_validate({"regionOfInterest": {"offsetX": 0, "sizeX": 2, "offsetY": 0, "sizeY": 2}})
    [found] = run_script(SCRIPT, IMAGES[1:2], X, Y, processing=processing)
    assert found is not None
    assert found["sum"] == 6


def test_error_is_told_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def process(image, *others):\n    return {'a': others[99]}\n")
    with pytest.raises(ScriptError, match=r"script 'mine': .*mine\.py:2: IndexError"):
        run_script(file, IMAGES, X, Y)


def test_result_that_cannot_be_sent_is_refused_as_by_the_worker() -> None:
    with pytest.raises(ScriptError, match="expected a dict of channel names and values"):
        run_script("def process(image, *others):\n    return 5\n", IMAGES, X, Y)
