"""What is computed from a profile: Gaussian fit, its curve, moments, width."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

SWEEPS = 60
"""Most evaluations of the model in one fit: what a profile of noise costs."""
NEAR = 0.1
"""Steps below this, in units of sigma and amplitude, are so near to the minimum that second derivatives help."""
STEP = 1e-5
"""Newton's last step. What is left after it is its square."""
NARROWEST = 0.2
"""A sigma below this share of the distance between samples is not told by the data."""


@njit(nogil=True, fastmath=True, inline="always")
def _exp(x: float) -> float:
    """The exponential of x <= 0, in a form that LLVM vectorises; absolute error 4e-14, and 2e-17 stands for all below x = -38.

    A polynomial fitted to exp on [-0.6, 0], weighted with what its 64th power makes of an error.
    """
    t = max(x * (1.0 / 64.0), -0.6)
    e = 0.0013179306866806417
    e = e * t + 0.008324007879559529
    e = e * t + 0.04166611231775031
    e = e * t + 0.1666666515197506
    e = e * t + 0.49999999982892834
    e = e * t + 0.9999999999994293
    e = e * t + 1.0
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    return e * e


@njit(nogil=True, fastmath=True, error_model="numpy")
def _evaluate(axis: Floats, profile: Floats, point: Floats, flat: Floats, newton: Floats, gradient: Floats) -> float:
    """One sweep: J^T J into ``flat``, that less the sum of r f'' into ``newton`` (lower triangles), J^T r; give the sum of r^2."""
    e1 = e1u1 = e1u2 = e2 = e2u1 = e2u2 = e2u3 = e2u4 = r1 = re = reu1 = reu2 = reu3 = reu4 = rr = 0.0
    b, a, m, w = point[0], point[1], point[2], 1.0 / point[3]
    for i in range(axis.size):
        u = (axis[i] - m) * w
        u2 = u * u
        e = _exp(-0.5 * u2)
        r = profile[i] - b - a * e
        eu1 = e * u
        eu2 = e * u2
        q = r * eu2
        e1 += e
        e1u1 += eu1
        e1u2 += eu2
        e2 += e * e
        e2u1 += e * eu1
        e2u2 += e * eu2
        e2u3 += eu1 * eu2
        e2u4 += eu2 * eu2
        r1 += r
        re += r * e
        reu1 += r * eu1
        reu2 += q
        reu3 += q * u
        reu4 += q * u2
        rr += r * r
    k = a * w
    flat[0, 0] = axis.size
    flat[1, 0] = e1
    flat[1, 1] = e2
    flat[2, 0] = k * e1u1
    flat[2, 1] = k * e2u1
    flat[2, 2] = k * k * e2u2
    flat[3, 0] = k * e1u2
    flat[3, 1] = k * e2u2
    flat[3, 2] = k * k * e2u3
    flat[3, 3] = k * k * e2u4
    for i in range(4):
        for j in range(i + 1):
            newton[i, j] = flat[i, j]
    newton[2, 1] -= w * reu1
    newton[3, 1] -= w * reu2
    newton[2, 2] -= k * w * (reu2 - re)
    newton[3, 2] -= k * w * (reu3 - 2.0 * reu1)
    newton[3, 3] -= k * w * (reu4 - 3.0 * reu2)
    gradient[0] = r1
    gradient[1] = re
    gradient[2] = k * reu1
    gradient[3] = k * reu2
    return rr


@njit(nogil=True, error_model="numpy")
def _factorise(matrix: Floats, damping: float, scale: Floats, factor: Floats) -> bool:
    """Cholesky factor of matrix + damping * scale^2; False where that is not positive."""
    for i in range(4):
        for j in range(i + 1):
            v = matrix[i, j]
            if i == j:
                v += damping * scale[i] * scale[i]
            for k in range(j):
                v -= factor[i, k] * factor[j, k]
            if i != j:
                factor[i, j] = v / factor[j, j]
            elif v > 1e-14 * matrix[i, i]:
                factor[i, i] = math.sqrt(v)
            else:
                return False
    return True


@njit(nogil=True, error_model="numpy")
def _forward(factor: Floats, right: Floats, x: Floats) -> None:
    for i in range(4):
        v = right[i]
        for k in range(i):
            v -= factor[i, k] * x[k]
        x[i] = v / factor[i, i]


@njit(nogil=True, error_model="numpy")
def _solve(factor: Floats, right: Floats, x: Floats) -> None:
    _forward(factor, right, x)
    for i in range(3, -1, -1):
        v = x[i]
        for k in range(i + 1, 4):
            v -= factor[k, i] * x[k]
        x[i] = v / factor[i, i]


@njit(nogil=True, error_model="numpy")
def _norm(scale: Floats, x: Floats) -> float:
    return math.sqrt((scale[0] * x[0]) ** 2 + (scale[1] * x[1]) ** 2 + (scale[2] * x[2]) ** 2 + (scale[3] * x[3]) ** 2)


@njit(nogil=True, error_model="numpy")
def _step_within(radius: float, flat: Floats, gradient: Floats, scale: Floats, factor: Floats, step: Floats) -> float:
    """The best step that is no longer than the radius (+10 %); its damping, or -1 where there is none.

    Newton's method on the length of the step, from below, after Hebden and Moré.
    """
    damping = 0.0
    solved = _factorise(flat, 0.0, scale, factor)
    if not solved:
        damping = 1e-10
        solved = _factorise(flat, damping, scale, factor)
    if not solved:
        return -1.0
    right, half = np.empty(4), np.empty(4)
    for _ in range(20):
        _solve(factor, gradient, step)
        length = _norm(scale, step)
        if length <= 1.1 * radius:
            break
        for i in range(4):
            right[i] = scale[i] * scale[i] * step[i] / length
        _forward(factor, right, half)
        damping += (length - radius) / radius / (half[0] ** 2 + half[1] ** 2 + half[2] ** 2 + half[3] ** 2)
        if not _factorise(flat, damping, scale, factor):
            return -1.0
    return damping


@njit(nogil=True)
def _copy(source: Floats, target: Floats) -> None:
    # An assignment of slices would look for overlaps first.
    for i in range(4):
        target[i] = source[i]


@njit(nogil=True)
def _size(step: Floats, point: Floats) -> float:
    """Of a step, in units of amplitude and sigma."""
    heights, positions = max(abs(step[0]), abs(step[1])), max(abs(step[2]), abs(step[3]))
    return float(max(heights / abs(point[1]), positions / abs(point[3])))


@njit(nogil=True, error_model="numpy")
def _approach(axis: Floats, profile: Floats, point: Floats) -> bool:
    """Go one step with some of the samples, for a fraction of the cost of a sweep; whether it was a short one.

    A long one is not taken, for it could lead to another minimum.
    """
    pitch = abs(axis[axis.size - 1] - axis[0]) / (axis.size - 1)
    every = min(8, int(point[3] / (4.0 * pitch)), axis.size // 50)
    if every < 2:
        return False
    flat, newton, factor = np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 4))
    gradient, step = np.zeros(4), np.zeros(4)
    _evaluate(axis[::every].copy(), profile[::every].copy(), point, flat, newton, gradient)
    if not _factorise(flat, 0.0, step, factor):
        return False
    _solve(factor, gradient, step)
    if not _size(step, point) < NEAR:
        return False
    for i in range(4):
        point[i] += step[i]
    return True


@njit(nogil=True, error_model="numpy")
def _judge(cost: float, cost_there: float, downhill: float, damping: float, length: float, radius: float) -> tuple[float, float]:
    """What a step gained, as a share of what was predicted, and how far the next one may go."""
    far_worse = cost_there >= 100.0 * cost
    gain = -cost if far_worse else cost - cost_there
    ratio = gain / (downhill + damping * length * length)
    if ratio > 0.25:
        return ratio, 2.0 * length if damping == 0.0 or ratio >= 0.75 else radius
    shrink = 0.5 if gain >= 0.0 else 0.5 * downhill / (downhill - 0.5 * gain)
    return ratio, (0.1 if far_worse else max(shrink, 0.1)) * min(radius, 10.0 * length)


@njit(nogil=True, error_model="numpy")
def _fit(axis: Floats, profile: Floats, out: Floats) -> bool:
    """Least squares from the start values in ``out``, in place; whether it converged.

    The way to the minimum is that of MINPACK (Levenberg-Marquardt in a trust region, Moré 1978), because a profile that is no Gaussian
    has several minima and cam_server's is the one that MINPACK finds. The last steps use the exact second derivatives: they cost
    two more sums, and converge quadratically where MINPACK creeps.
    """
    point, trial = np.empty(4), np.empty(4)
    _copy(out, point)
    flat, newton, gradient = np.zeros((2, 4, 4)), np.zeros((2, 4, 4)), np.zeros((2, 4))
    factor, step, scale = np.zeros((4, 4)), np.zeros(4), np.zeros(4)
    n = axis.size
    now = 0
    near, moved = _approach(axis, profile, point), False
    cost = _evaluate(axis, profile, point, flat[0], newton[0], gradient[0])
    narrowest = NARROWEST * abs(axis[n - 1] - axis[0]) / (n - 1)
    radius = 0.0
    failures = 0
    for sweep in range(SWEEPS):
        for i in range(4):
            scale[i] = max(scale[i], math.sqrt(flat[now, i, i]))
        if sweep == 0:
            radius = 100.0 * _norm(scale, point)
        damping = 0.0
        near = near and _factorise(newton[now], 0.0, scale, factor)
        if near:
            _solve(factor, gradient[now], step)
        else:
            damping = _step_within(radius, flat[now], gradient[now], scale, factor, step)
        for i in range(4):
            trial[i] = point[i] + step[i]
        if damping < 0.0 or abs(trial[3]) < narrowest:
            return False
        small = _size(step, point)
        downhill = step[0] * gradient[now, 0] + step[1] * gradient[now, 1] + step[2] * gradient[now, 2] + step[3] * gradient[now, 3]
        if near and small < STEP:
            _copy(trial, out)
            out[3], out[4] = abs(trial[3]), cost - downhill
            return True
        other = 1 - now
        cost_there = _evaluate(axis, profile, trial, flat[other], newton[other], gradient[other])
        if near:
            # What rounding makes of the same sum must not count as worse.
            rounding = 1e-13 * abs(point[1]) + 1e-15 * abs(point[0])
            accepted = cost_there <= cost + rounding * (math.sqrt(n * cost) + n * rounding)
            near = accepted
        else:
            length = _norm(scale, step)
            ratio, radius = _judge(cost, cost_there, downhill, damping, length, radius if moved else min(radius, length))
            accepted = ratio >= 1e-4 or small < STEP
            near = accepted and small < NEAR
        if accepted:
            _copy(trial, point)
            cost, now, moved = cost_there, other, True
            failures = 0
        else:
            failures += 1
            if failures == 20:
                return False
    return False


@njit(nogil=True, fastmath={"reassoc", "nsz", "contract"}, error_model="numpy")
def _area(axis: Floats, profile: Floats) -> float:
    """Trapezoid sum. NaN and infinity go through: without them in the flags, fastmath may not assume that there are none."""
    area = 0.0
    for i in range(profile.size - 1):
        area += (profile[i] + profile[i + 1]) * (axis[i + 1] - axis[i])
    return 0.5 * area


@njit(nogil=True, fastmath={"reassoc", "nsz", "contract"}, error_model="numpy")
def _sum(profile: Floats) -> float:
    total = 0.0
    for i in range(profile.size):
        total += profile[i]
    return total


@njit(nogil=True)
def _extremes(profile: Floats) -> tuple[float, float]:
    """Smallest and largest sample. LLVM does not make vectors of this; four chains at least do not wait for each other."""
    n = profile.size - profile.size % 4
    low_a = low_b = low_c = low_d = high_a = high_b = high_c = high_d = profile[0]
    for i in range(0, n, 4):
        a, b, c, d = profile[i], profile[i + 1], profile[i + 2], profile[i + 3]
        low_a, high_a = min(low_a, a), max(high_a, a)
        low_b, high_b = min(low_b, b), max(high_b, b)
        low_c, high_c = min(low_c, c), max(high_c, c)
        low_d, high_d = min(low_d, d), max(high_d, d)
    for i in range(n, profile.size):
        low_a, high_a = min(low_a, profile[i]), max(high_a, profile[i])
    return min(min(low_a, low_b), min(low_c, low_d)), max(max(high_a, high_b), max(high_c, high_d))


@njit(nogil=True)
def _find(profile: Floats, value: float) -> int:
    """Index of the first sample of this value, which there is."""
    i = 0
    while profile[i] != value:
        i += 1
    return i


@njit(nogil=True, error_model="numpy")
def _start(axis: Floats, profile: Floats, out: Floats) -> bool:
    """Start values of a fit: minimum, range, highest sample and area; whether all samples are finite."""
    area = _area(axis, profile)
    if not math.isfinite(area + profile[0]):
        return False
    lowest, highest = _extremes(profile)
    out[0] = lowest
    out[1] = highest - lowest
    out[2] = axis[_find(profile, highest)]
    out[3] = 1.0
    if out[1] != 0.0:
        out[3] = abs(area - lowest * (axis[axis.size - 1] - axis[0])) / (out[1] * math.sqrt(2.0 * math.pi))
    out[4] = math.nan
    return True


INFINITE, NOT_CONVERGED, CONVERGED = -1, 0, 1


@njit(nogil=True, cache=True, error_model="numpy")
def gaussian(axis: Floats, profile: Floats, out: Floats) -> int:
    """Offset, amplitude, mean, sigma and sum of squares into ``out``, which keeps the start values without convergence."""
    if not _start(axis, profile, out):
        return INFINITE
    if profile.size < 4 or out[1] == 0.0 or out[3] == 0.0:
        return NOT_CONVERGED
    return CONVERGED if _fit(axis, profile, out) else NOT_CONVERGED


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def curve(axis: Floats, b: float, a: float, m: float, s: float, out: npt.NDArray[np.float32]) -> None:
    """The model over the axis, into a float32 array."""
    w = 1.0 / s
    for i in range(axis.size):
        u = (axis[i] - m) * w
        out[i] = b + a * _exp(-0.5 * u * u)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def moments(axis: Floats, profile: Floats, offset: float, mean: float, sigma: float) -> tuple[float, float]:
    """Centre of mass and rms; see :func:`camstream_worker.image.moments.moments`."""
    total = near = first = second = 0.0
    for i in range(profile.size):
        q, d = profile[i] - offset, axis[i] - mean
        total += q
        w = q if abs(d) <= 5.0 * sigma else 0.0
        near += w
        first += w * d
        second += w * d * d
    if total == 0.0:
        total = 1.0
    center = (mean * near + first) / total
    shift = center - mean
    return center, math.sqrt(abs((second - 2.0 * shift * first + shift * shift * near) / total))


@njit(nogil=True, error_model="numpy")
def _crossing(axis: Floats, profile: Floats, cut: float, index: int) -> float:
    """Where the line through a sample and the next one is at the cut."""
    step = profile[index + 1] - profile[index]
    return axis[index] + (cut - profile[index]) / step * (axis[index + 1] - axis[index]) if step != 0.0 else math.nan


@njit(nogil=True, cache=True, error_model="numpy")
def full_width(axis: Floats, profile: Floats, level: float) -> float:
    """Width between the crossings nearest to the peak; see :func:`camstream_worker.image.width.full_width`."""
    last = profile.size - 1
    if not math.isfinite(_sum(profile)):
        return math.nan
    lowest, highest = _extremes(profile)
    cut = lowest + (highest - lowest) * level
    if last < 1:
        return 0.0
    if not cut > lowest:
        return math.nan
    peak = _find(profile, highest)
    left = peak - 1
    while left > 0 and profile[left] > cut:
        left -= 1
    right = peak + 1
    while right < last and profile[right] > cut:
        right += 1
    return abs(_crossing(axis, profile, cut, min(right, last) - 1) - _crossing(axis, profile, cut, max(left, 0)))
