"""What Prometheus reads of a worker."""

import math
from typing import Any

import pytest
from metric_families import worker_registry

from camstream_worker.counters import FITS, HOPS, Counters
from camstream_worker.image.gaussian import fit_gaussian
from camstream_worker.pipeline.analysis import fit_channels
from camstream_worker.runtime.own_program import OwnProgram


def test_every_drop_and_fit_begins_at_zero() -> None:
    registry = worker_registry()
    for hop, reasons in HOPS.items():
        for reason in reasons:
            assert registry.get_sample_value("camstream_frames_dropped_total", {"hop": hop, "reason": reason}) == 0
    assert {fit: registry.get_sample_value("camstream_fit_failures_total", {"fit": fit}) for fit in FITS} == dict.fromkeys(FITS, 0)


@pytest.mark.parametrize(("values", "failures"), [({}, {}), ({"x_fit_converged": None, "y_fit_converged": True}, {})])
def test_where_nothing_was_fitted_nothing_has_failed(values: dict[str, Any], failures: dict[str, int]) -> None:
    counters = Counters()
    counters.count_fits(values)
    assert counters.fit_failures == failures


def test_fit_of_a_flat_profile_is_counted_as_failed() -> None:
    import numpy as np

    axis, flat = np.arange(20.0), np.ones(20)
    beam = np.exp(-((axis - 9) ** 2) / 8)
    counters = Counters()
    counters.count_fits(fit_channels("x_fit_", axis, fit_gaussian(axis, flat)) | fit_channels("y_fit_", axis, fit_gaussian(axis, beam)))
    assert counters.fit_failures == {"x": 1}


def test_background_in_use_is_named_and_one_that_could_not_be_loaded_is_not() -> None:
    labels = {"background": "GUN_20261121_120000_000000"}
    used, lost = worker_registry(), worker_registry(problem="its file is gone")
    assert (used.get_sample_value("camstream_background_info", labels), used.get_sample_value("camstream_background_loaded")) == (1, 1)
    assert (lost.get_sample_value("camstream_background_info", labels), lost.get_sample_value("camstream_background_loaded")) == (None, 0)


def test_process_tells_its_memory_and_its_start() -> None:
    registry = worker_registry()
    for name in ("resident_memory_bytes", "start_time_seconds", "cpu_seconds_total"):
        found = registry.get_sample_value(f"camstream_process_{name}")
        assert found is not None
        assert math.isfinite(found)
        assert found > 0


def test_script_that_does_everything_itself_has_no_source_that_could_be_down() -> None:
    program = OwnProgram(lambda *_: None, {}, 0)
    assert worker_registry().get_sample_value("camstream_input_connected") == 0
    assert worker_registry(plan=program).get_sample_value("camstream_input_connected") is None
