import subprocess
import sys
import textwrap

import numpy as np
import pytest

from camstream.errors import BackgroundError, ShapeMismatch
from camstream.frame import Frame, Timestamp
from camstream.spec import CameraSpec
from camstream_worker.pipeline.plan import camera_plan

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)
IMAGE.flags.writeable = False


def frame(image=IMAGE):
    return Frame(7, Timestamp(3, 500_000_000), image)


def plan(stored=None, **spec):
    return camera_plan(CameraSpec.model_validate({"source": {"simulation": {}}, **spec}), stored, "gun")


def test_channels_have_the_names_order_and_types_of_cam_server():
    channels = plan().process(frame())
    assert list(channels) == ["width", "height", "timestamp", "image", "x_axis", "y_axis"]
    assert [np.asarray(v).dtype.name for v in channels.values()] == ["int64", "int64", "float64", "uint16", "float32", "float32"]
    assert (channels["width"], channels["height"], channels["timestamp"]) == (4, 3, 3.5)
    assert channels["x_axis"].tolist() == [0, 1, 2, 3]


def test_unchanged_image_is_passed_on_without_a_copy():
    assert np.shares_memory(plan().process(frame())["image"], IMAGE)


def test_steps_run_in_the_order_binning_mirror_rotation_region():
    image = np.arange(24, dtype=np.uint16).reshape(4, 6)
    roi = {"offsetX": 0, "sizeX": 2, "offsetY": 1, "sizeY": 2}
    geometry = {"binning": {"x": 2, "y": 2}, "mirror": {"x": True}, "rotateQuarterTurns": 1, "regionOfInterest": roi}
    channels = plan(geometry=geometry).process(frame(image))
    binned = image.reshape(2, 2, 3, 2).sum(axis=(1, 3))
    assert np.array_equal(channels["image"], np.rot90(binned[:, ::-1])[1:3, 0:2])
    assert channels["image"].flags.c_contiguous
    assert (channels["x_axis"].tolist(), channels["y_axis"].tolist()) == ([0, 1], [1, 2])


def test_region_outside_of_the_image_is_refused_and_both_are_named():
    roi = {"offsetX": 2, "sizeX": 3, "offsetY": 0, "sizeY": 1}
    expected = (
        r"camera 'gun': region of interest 3x1 at \(2, 0\) does not lie inside the image, "
        r"which is 4x3 after binning and rotation: correct regionOfInterest"
    )
    with pytest.raises(ShapeMismatch, match=expected):
        plan(geometry={"regionOfInterest": roi}).process(frame())


def test_image_that_is_none_is_refused():
    with pytest.raises(ShapeMismatch, match=r"camera 'gun': expected an image \(y, x\), found shape \(5,\)"):
        plan().process(frame(np.zeros(5)))


def test_background_is_subtracted_down_to_zero_and_cropped_with_the_region():
    dark = np.full((3, 4), 6.7)
    roi = {"offsetX": 1, "sizeX": 2, "offsetY": 1, "sizeY": 1}
    channels = plan(dark, background={"name": "dark"}, geometry={"regionOfInterest": roi}).process(frame())
    assert (channels["image"].dtype, channels["image"].tolist()) == (np.uint16, [[0, 0]])
    channels = plan(dark, background={"name": "dark"}).process(frame())
    assert channels["image"].tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [2, 3, 4, 5]]


def test_background_of_another_shape_is_refused_with_advice():
    expected = r"background 'dark' has shape \(6, 8\), camera 'gun' sends \(3, 4\): collect it again at binning 2x2"
    with pytest.raises(BackgroundError, match=expected):
        plan(np.zeros((6, 8)), background={"name": "dark"}).process(frame())


def test_background_that_does_not_exist_yet_is_not_subtracted():
    assert np.array_equal(plan(None, background={}).process(frame())["image"], IMAGE)


@pytest.mark.parametrize(
    ("pixel_type", "pixels", "expected"),
    [("uint8", [[-3, 7, 300]], [[0, 7, 255]]), ("int32", [[-3, 7, 300]], [[-3, 7, 300]]), ("float32", [[-3, 7, 300]], [[-3, 7, 300]])],
)
def test_pixels_are_converted_to_the_type_that_is_asked_for_and_cut_at_its_limits(pixel_type, pixels, expected):
    found = plan(pixelType=pixel_type).process(frame(np.array(pixels, np.int16)))["image"]
    assert (found.dtype.name, found.tolist()) == (pixel_type, expected)


def test_nan_becomes_zero_in_whole_numbers():
    assert plan(pixelType="uint16").process(frame(np.array([[np.nan, 1.9, 1e9]])))["image"].tolist() == [[0, 1, 65535]]


def test_plan_follows_a_camera_that_changes_its_size():
    camera = plan(calibration={})
    assert len(camera.process(frame())["x_axis"]) == 4
    assert len(camera.process(frame(np.zeros((5, 6), np.uint8)))["x_axis"]) == 6


def test_axes_are_made_once_for_all_frames_of_a_shape():
    camera = plan()
    assert camera.process(frame())["x_axis"] is camera.process(frame(IMAGE + 1))["x_axis"]


def test_prepare_leaves_the_plan_as_it_is_and_needs_no_state():
    camera = plan(geometry={"binning": {"x": 2}})
    camera.prepare(frame())
    assert not camera.stateful
    assert camera.process(frame())["image"].tolist() == [[1, 5], [9, 13], [17, 21]]


def test_workers_without_analysis_load_no_compiler():
    # Of numba's 70 MB and 0.3 s of every start, cameras and streams have nothing.
    code = """
        import sys
        import camstream_worker.service.worker
        from camstream.frame import Frame, Timestamp
        from camstream.spec import CameraSpec, PipelineSpec
        from camstream_worker.pipeline.plan import camera_plan, pipeline_plan
        import numpy as np

        spec = CameraSpec.model_validate({"source": {"simulation": {}}, "geometry": {"mirror": {"x": True}}})
        camera_plan(spec, None, "gun").process(Frame(1, Timestamp(1, 0), np.zeros((4, 6), np.uint16)))
        stream = {"type": "Stream", "input": {"address": "tcp://127.0.0.1:9999"}, "selection": {"include": ["width"]}}
        pipeline_plan(PipelineSpec.model_validate(stream), None, "")
        print(sorted({"numba", "scipy"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
