// One pulse as the page uses it.

import { Axis, unitOf } from "./axis.js";
import { ARRAYS, readArrays } from "./message.js";

/**
 * Put together what the worker found in one message.
 * @param told {header, buffer, pixels?, facts?, problem?} as pixels_worker.js posts it
 * @param unit of the axes, where it is known
 */
export function makeFrame({ header, buffer, pixels, facts, problem, decodeMs }, unit) {
  const arrays = readArrays(header, buffer);
  const entry = header.parts.find((part) => part.name === "image");
  const frame = {
    seq: header.seq, pulse: header.pulse, time: header.time[0] + header.time[1] * 1e-9, ageSeconds: header.ageSeconds,
    values: header.values, arrays, facts, problem, decodeMs, bytes: buffer.byteLength, image: null,
  };
  if (header.image && entry && facts) {
    const [height, width] = header.image.shape;
    frame.image = {
      width, height, dtype: entry.dtype, original: header.image.dtype, binning: header.image.binning, codec: entry.codec,
      passed: Boolean(header.image.passed), columns: entry.shape[1], rows: entry.shape[0],
      pixels: pixels ? new ARRAYS[entry.dtype](pixels) : arrays.image,
    };
    frame.x = new Axis(arrays.x_axis, width);
    frame.y = new Axis(arrays.y_axis, height);
    frame.unit = unitOf(unit, frame.x, frame.y);
    frame.xProfile = arrays.x_profile ?? facts.profiles?.x;
    frame.yProfile = arrays.y_profile ?? facts.profiles?.y;
  }
  return frame;
}

/** The value of the pixel at a place of the image, or undefined outside of it. */
export function pixelAt(image, x, y) {
  const [column, row] = [Math.floor(x / image.binning), Math.floor(y / image.binning)];
  if (column < 0 || row < 0 || column >= image.columns || row >= image.rows) return undefined;
  return image.pixels[row * image.columns + column];
}
