// Files that a person saves: the numbers themselves as TIFF or npy, the picture as PNG.

import { make } from "./dom.js";

const FORMATS = { uint8: ["|u1", 1], int16: ["<i2", 2], uint16: ["<u2", 1], int32: ["<i4", 2], uint32: ["<u4", 1], float32: ["<f4", 3] };

/** Name of a file: only letters that every system takes, never a path. */
export function fileName(stream, pulse, ending) {
  return `${stream.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 80) || "stream"}_${pulse}.${ending}`;
}

/** numpy's own format, version 1. */
export function npy(pixels, dtype, width, height) {
  let head = `{'descr': '${FORMATS[dtype][0]}', 'fortran_order': False, 'shape': (${height}, ${width}), }`;
  head += " ".repeat((64 - ((10 + head.length + 1) % 64)) % 64) + "\n";
  const start = new Uint8Array(10 + head.length);
  start.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, head.length & 255, head.length >> 8]);
  start.set(new TextEncoder().encode(head), 10);
  return new Blob([start, pixels], { type: "application/octet-stream" });
}

/** Baseline TIFF, one strip, the pixels in their own type; the description says what it is. */
export function tiff(pixels, dtype, width, height, description) {
  const text = new TextEncoder().encode(`${description}\0`);
  const bits = pixels.BYTES_PER_ELEMENT * 8;
  const entries = [
    [256, 4, 1, width], [257, 4, 1, height], [258, 3, 1, bits], [259, 3, 1, 1], [262, 3, 1, 1],
    [270, 2, text.length, 0], [273, 4, 1, 0], [277, 3, 1, 1], [278, 4, 1, height], [279, 4, 1, pixels.byteLength], [339, 3, 1, FORMATS[dtype][1]],
  ];
  const textAt = 8 + 2 + entries.length * 12 + 4;
  const dataAt = (textAt + text.length + 7) & ~7;
  const head = new DataView(new ArrayBuffer(dataAt));
  head.setUint32(0, 0x002a4949, true);
  head.setUint32(4, 8, true);
  head.setUint16(8, entries.length, true);
  entries.forEach(([tag, type, number, value], i) => {
    const at = 10 + i * 12;
    head.setUint16(at, tag, true);
    head.setUint16(at + 2, type, true);
    head.setUint32(at + 4, number, true);
    const stored = tag === 270 ? textAt : tag === 273 ? dataAt : value;
    if (type === 3) head.setUint16(at + 8, stored, true);
    else head.setUint32(at + 8, stored, true);
  });
  new Uint8Array(head.buffer).set(text, textAt);
  return new Blob([head.buffer, pixels], { type: "image/tiff" });
}

/** The whole image in colours, one screen pixel for each of its own. */
export function png(pixels, width, height, table, place) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const out = new Uint32Array(picture.data.buffer);
  const colours = new Uint32Array(table.buffer);
  for (let i = 0; i < pixels.length; i++) out[i] = colours[Math.floor(place(pixels[i]) * 255 + 0.5)];
  context.putImageData(picture, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Let the browser keep a file. */
export function keep(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
