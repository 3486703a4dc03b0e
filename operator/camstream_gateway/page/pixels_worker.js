// Decodes and measures images beside the page, so that looking at numbers never makes the page stumble.

import { decodeBslz4 } from "./decode.js";
import { readArrays, readHeader } from "./message.js";
import { histogram, measure, percentile, profiles } from "./statistics.js";

self.onmessage = ({ data: { buffer, received, percentiles } }) => {
  const header = readHeader(buffer);
  const answer = { header, buffer, received };
  const transfer = [buffer];
  const entry = header.parts.find((part) => part.name === "image");
  if (entry && header.image) {
    try {
      const began = performance.now();
      const [height, width] = entry.shape;
      let pixels;
      if (entry.codec === "raw") {
        pixels = readArrays({ ...header, parts: [entry] }, buffer).image;
      } else {
        pixels = decodeBslz4(new Uint8Array(buffer, header.base + entry.offset, entry.bytes), entry.dtype, width * height);
        answer.pixels = pixels.buffer;
        transfer.push(pixels.buffer);
      }
      answer.decodeMs = performance.now() - began;
      answer.facts = facts(pixels, entry, header, percentiles);
    } catch (error) {
      answer.problem = String(error.message ?? error);
    }
  }
  self.postMessage(answer, transfer);
};

function facts(pixels, entry, header, percentiles) {
  const [height, width] = entry.shape;
  const measured = measure(pixels, entry.dtype);
  const found = {
    min: measured.min, max: measured.max, saturated: measured.saturated, limit: measured.limit,
    robust: [percentile(measured, 0.1), percentile(measured, 99.98)],
    chosen: percentiles.map((percent) => percentile(measured, percent)),
    histogram: histogram(measured, measured.min, measured.max),
  };
  if (!header.parts.some((part) => part.name === "x_profile") || !header.parts.some((part) => part.name === "y_profile")) {
    found.profiles = profiles(pixels, width, height);
  }
  return found;
}
