// One binary message of the gateway: uint32 length | JSON header | payloads (encoding.py describes it).

export const ARRAYS = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
  uint32: Uint32Array, int32: Int32Array, float32: Float32Array, float64: Float64Array,
};

/** The header, with the place where the payloads begin as `base`. */
export function readHeader(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  header.base = 4 + length;
  return header;
}

/** Views of all payloads that are plain arrays, by name. Nothing is copied. */
export function readArrays(header, buffer) {
  const arrays = {};
  for (const part of header.parts) {
    if (part.codec !== "raw") continue;
    const count = part.shape.reduce((product, length) => product * length, 1);
    arrays[part.name] = new ARRAYS[part.dtype](buffer, header.base + part.offset, count);
  }
  return arrays;
}
