"""The whole default analysis of a pipeline, in one thread, against numpy and scipy."""

import baseline
import numpy as np
from harness import SIZES, Measurement, beam, cold_frames, interleaved, microseconds, require_equal

from camstream.frame import Frame, Timestamp
from camstream.spec import PipelineSpec
from camstream.spec.pipeline import PipelineInput
from camstream.spec.processing import GoodRegion, PipelineBackground, Processing, Slices
from camstream_worker.pipeline.plan import pipeline_plan

THRESHOLD, SLICES = 5, 5
EXACT = ("image", "min_value", "max_value", "intensity", "x_profile", "y_profile")
FITTED = tuple(f"{a}_{n}" for a in "xy" for n in ("fwhm", "center_of_mass", "rms", "fit_offset", "fit_mean", "fit_standard_deviation"))
IN_REGION = ("gr_x_fit_mean", "gr_y_fit_mean", *(f"slice_{i}_{n}" for i in range(SLICES) for n in ("center_x", "center_y", "intensity")))

PLAIN = Processing()
FULL = Processing(background=PipelineBackground(name="dark"), threshold=THRESHOLD, good_region=GoodRegion(), slices=Slices(count=SLICES))


def compare(size: str, processing: Processing, rounds: int) -> Measurement:
    shape = SIZES[size]
    full = processing is FULL
    dark = beam(shape, 99, peak=0) if full else None
    frames = cold_frames(shape)
    x_axis, y_axis = np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)
    x, y = x_axis.astype(float), y_axis.astype(float)
    spec = PipelineSpec(input=PipelineInput(address="tcp://127.0.0.1:9999"), processing=processing)
    plan = pipeline_plan(spec, dark, "{}")

    def ours(i: int) -> dict[str, object]:
        channels = plan.process(Frame(i, Timestamp(1, i), frames[i % len(frames)], x_axis, y_axis))
        assert channels is not None
        return channels

    def numpy_and_scipy(i: int) -> dict[str, object]:
        image = frames[i % len(frames)]
        return baseline.analyse(image, x, y, dark, THRESHOLD, SLICES) if full else baseline.analyse(image, x, y)

    plan.prepare(Frame(0, Timestamp(1, 0), frames[0], x_axis, y_axis))
    expected, found = numpy_and_scipy(1), ours(1)
    require_equal(EXACT, expected, found)
    require_equal(FITTED + (IN_REGION if full else ()), expected, found, tolerance=1e-5)
    # Several in a row, as in a stream, where they are short.
    calls = max(1, (4 << 20) // frames[0].nbytes)
    medians = interleaved({"numpy + curve_fit": numpy_and_scipy, "camstream": ours}, rounds, calls)
    name = "default analysis" + (", background, threshold, good region, 5 slices" if full else "")
    ratio = medians["numpy + curve_fit"] / medians["camstream"]
    return Measurement(name, size, ratio, goal=3.5, baseline="numpy and scipy's curve_fit, one thread", raw=microseconds(medians))


def run(short: bool) -> list[Measurement]:
    rounds = 9 if short else 41
    return [compare(size, processing, rounds) for size in SIZES for processing in (PLAIN, FULL)]
