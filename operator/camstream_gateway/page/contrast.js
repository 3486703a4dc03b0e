// From a pixel's value to its place in the colour map.

const DEPTH = 1000; // of the logarithm: the darkest thousandth of the range gets a tenth of the colours

/** The low and high end of the colours for an image. `before` are the limits until now, which automatic ones follow softly. */
export function limits(settings, facts, before) {
  if (settings.contrast === "manual") return ordered(settings.low, settings.high);
  const wanted = ordered(...(settings.contrast === "percentile" ? facts.chosen : facts.robust));
  if (!before) return wanted;
  const range = wanted[1] - wanted[0];
  // A jump is followed at once, noise is not: the picture must not flicker.
  return wanted.map((value, i) => (Math.abs(value - before[i]) > 0.1 * range ? value : before[i] + 0.2 * (value - before[i])));
}

/** 0 to 1 along the colour map; the shader does the same. */
export function placeOf(value, [low, high], log) {
  const t = Math.min(Math.max((value - low) / (high - low), 0), 1);
  return log ? Math.log(1 + DEPTH * t) / Math.log(1 + DEPTH) : t;
}

/** The value at a place of the colour map. */
export function valueAt(place, [low, high], log) {
  const t = log ? (Math.exp(place * Math.log(1 + DEPTH)) - 1) / DEPTH : place;
  return low + t * (high - low);
}

function ordered(low, high) {
  return high > low ? [low, high] : [low, low + 1];
}
