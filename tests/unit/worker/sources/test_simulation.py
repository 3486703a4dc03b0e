"""The simulated camera."""

import numpy as np
import pytest

from camstream.spec.source import Pattern, SimulationSource
from camstream_worker.sources.simulation import BeamSimulation


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"])
def test_any_pixel_type_has_a_beam_and_does_not_wrap(pixel_type: str):
    image = BeamSimulation(SimulationSource(width=80, height=60, pixel_type=pixel_type)).image(3)
    assert image.dtype == pixel_type
    assert image.shape == (60, 80)
    assert image.min() >= 0
    limit = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 65535
    assert image.max() <= limit
    assert np.percentile(image, 99) > 0.3 * limit


def test_equal_seeds_give_equal_images_and_others_do_not():
    a, b, c = (BeamSimulation(SimulationSource(width=50, height=40, seed=seed)).image(7) for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_the_beam_is_where_the_simulation_says():
    simulation = BeamSimulation(SimulationSource(width=200, height=150, noise=0, dead_pixels=0))
    for index in (0, 50, 133):
        image = simulation.image(index).astype(float)
        cx, cy = simulation.centre(index)
        assert (image.sum(axis=0) * np.arange(200)).sum() / image.sum() == pytest.approx(cx, abs=0.01)
        assert (image.sum(axis=1) * np.arange(150)).sum() / image.sum() == pytest.approx(cy, abs=0.01)


def test_the_beam_moves_and_the_static_one_does_not():
    moving, still = (BeamSimulation(SimulationSource(width=50, height=40, pattern=p)) for p in (Pattern.BEAM, Pattern.STATIC_BEAM))
    assert not np.array_equal(moving.image(0), moving.image(50))
    assert np.array_equal(still.image(0), still.image(50))


@pytest.mark.parametrize("pattern", [Pattern.NOISE, Pattern.STATIC_NOISE])
def test_noise_has_no_beam(pattern: Pattern):
    image = BeamSimulation(SimulationSource(width=50, height=40, pattern=pattern, dead_pixels=0)).image(1)
    assert image.max() < 0.21 * 65535


def test_the_smallest_image_works():
    assert BeamSimulation(SimulationSource(width=1, height=1)).image(0).shape == (1, 1)
