// What is known about an image as a whole: range, histogram, profiles. Pure functions of the pixels.

export const BINS = 256;

const LIMITS = { uint8: 255, int8: 127, uint16: 65535, int16: 32767, uint32: 4294967295, int32: 2147483647 };
const FINE = 65536;

/**
 * Measure an image.
 * @returns counts of values in `levels.length` steps of `step` from `first`; min, max; saturated: pixels at the limit of their type
 */
export function measure(pixels, dtype) {
  const limit = LIMITS[dtype] ?? null;
  const found = dtype === "uint8" || dtype === "uint16" ? counted(pixels, limit) : binned(pixels, dtype);
  const { max, levels } = found;
  return { ...found, saturated: max === limit ? levels[levels.length - 1] : 0, limit };
}

/** One pass over pixels that are few enough values to count each. */
function counted(pixels, limit) {
  const all = new Uint32Array(limit + 1);
  for (let i = 0; i < pixels.length; i++) all[pixels[i]]++;
  let [min, max] = [0, limit];
  while (min < limit && all[min] === 0) min++;
  while (max > min && all[max] === 0) max--;
  return { min, max, first: min, step: 1, levels: all.subarray(min, max + 1), counted: pixels.length };
}

function binned(pixels, dtype) {
  const [min, max] = extremes(pixels, dtype);
  const small = dtype in LIMITS && max - min < FINE;
  const step = small ? 1 : Math.max((max - min) / (FINE - 1), Number.MIN_VALUE);
  const levels = new Uint32Array(small ? max - min + 1 : FINE);
  let counted = 0;
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i];
    if (value >= min && value <= max) { levels[Math.round((value - min) / step)]++; counted++; }
  }
  return { min, max, first: min, step, levels, counted };
}

function extremes(pixels, dtype) {
  let min = Infinity;
  let max = -Infinity;
  if (dtype in LIMITS) {
    for (let i = 0; i < pixels.length; i++) {
      const value = pixels[i];
      if (value < min) min = value;
      if (value > max) max = value;
    }
  } else {
    for (let i = 0; i < pixels.length; i++) {
      const value = pixels[i];
      if (value < min && value !== -Infinity) min = value;
      if (value > max && value !== Infinity) max = value;
    }
  }
  return min <= max ? [min, max] : [0, 0]; // nothing but NaN
}

/** The value below which `percent` of the pixels lie. */
export function percentile({ levels, first, step, counted }, percent) {
  const wanted = Math.max((percent / 100) * counted, 1e-9);
  let sum = 0;
  for (let i = 0; i < levels.length; i++) {
    sum += levels[i];
    if (sum >= wanted) return first + i * step;
  }
  return first + (levels.length - 1) * step;
}

/** Counts in BINS equal steps between two values, for drawing. */
export function histogram({ levels, first, step }, low, high) {
  const bins = new Float64Array(BINS);
  const width = (high - low) / BINS || 1;
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] === 0) continue;
    const bin = Math.floor((first + i * step - low) / width);
    if (bin >= 0 && bin < BINS) bins[bin] += levels[i];
    else if (bin === BINS && first + i * step <= high) bins[BINS - 1] += levels[i];
  }
  return bins;
}

/** Sums of columns and rows, for streams that bring none. NaN counts nothing. */
export function profiles(pixels, width, height) {
  const x = new Float64Array(width);
  const y = new Float64Array(height);
  for (let row = 0, at = 0; row < height; row++) {
    let sum = 0;
    for (let column = 0; column < width; column++, at++) {
      const value = pixels[at];
      if (value === value) { x[column] += value; sum += value; }
    }
    y[row] = sum;
  }
  return { x, y };
}
