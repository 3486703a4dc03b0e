// Positions along one direction of the image: pixels to the unit of the calibration and back. Pure.

export class Axis {
  /** @param values position of the middle of each pixel, evenly spaced, or undefined: pixel numbers */
  constructor(values, count) {
    const known = values && values.length === count && count > 1;
    this.count = count;
    this.first = known ? values[0] : 0;
    this.step = known ? (values[count - 1] - values[0]) / (count - 1) || 1 : 1;
  }

  /** Position of a place in the image, where pixel i reaches from i to i + 1. */
  value(place) { return this.first + (place - 0.5) * this.step; }

  /** Place in the image of a position. */
  place(value) { return (value - this.first) / this.step + 0.5; }

  /** Whether these look like pixel numbers: whole, rising, none negative. */
  get counts() { return this.step >= 1 && Number.isInteger(this.step) && this.first >= 0; }
}

/** The unit of both axes. `told` comes from the manifest; where nobody told, pixel numbers are recognised by their values. */
export function unitOf(told, x, y) {
  return told ?? (x.counts && y.counts ? "px" : "");
}

/** The same in words. */
export function unitWords(unit) {
  if (unit === "px") return "in pixels: the camera is not calibrated";
  return unit ? `in ${unit}, as the camera is calibrated` : "in the unit of the stream's axes";
}
