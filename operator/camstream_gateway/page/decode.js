// bitshuffle-LZ4 as bsread sends it: int64 BE size | int32 BE bytes per block | blocks (int32 BE length | LZ4) | up to 7 plain elements.

import { ARRAYS } from "./message.js";

const USUAL_BLOCK = 8192;
const TOGETHER = 8; // elements; a shorter rest is left as it is

/** Decode to a typed array of `count` elements. Throws an Error that says what is damaged. */
export function decodeBslz4(bytes, dtype, count) {
  const out = new ARRAYS[dtype](count);
  const size = out.BYTES_PER_ELEMENT;
  const plain = new Uint8Array(out.buffer);
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || Number(head.getBigInt64(0)) !== plain.length) {
    throw new Error(`bslz4: ${plain.length} bytes expected`);
  }
  const block = (head.getInt32(8) || USUAL_BLOCK) / size;
  const scratch = new Uint8Array(block * size);
  let at = 12;
  let done = 0;
  while (count - done >= TOGETHER) {
    const elements = Math.min(block, count - done) & ~(TOGETHER - 1);
    const length = head.getUint32(at);
    decodeLz4(bytes, at + 4, at + 4 + length, scratch, elements * size);
    unshuffle(scratch, elements, size, plain, done * size);
    at += 4 + length;
    done += elements;
  }
  plain.set(bytes.subarray(at, at + (count - done) * size), done * size);
  return out;
}

/** One LZ4 block, from source[start..end) to the first `expected` bytes of `target`. */
function decodeLz4(source, start, end, target, expected) {
  let from = start;
  let to = 0;
  while (from < end) {
    const token = source[from++];
    let literals = token >> 4;
    if (literals === 15) {
      let more;
      do { more = source[from++]; literals += more; } while (more === 255);
    }
    if (from + literals > end || to + literals > expected) throw new Error("lz4: literals beyond the block");
    if (literals > 24) {
      target.set(source.subarray(from, from + literals), to);
      to += literals;
      from += literals;
    } else {
      for (const stop = to + literals; to < stop;) target[to++] = source[from++];
    }
    if (from >= end) break;
    const offset = source[from] | (source[from + 1] << 8);
    from += 2;
    let length = (token & 15) + 4;
    if (length === 19) {
      let more;
      do { more = source[from++]; length += more; } while (more === 255);
    }
    if (offset === 0 || offset > to || to + length > expected) throw new Error("lz4: a copy from outside of the block");
    if (offset >= length && length > 24) {
      target.copyWithin(to, to - offset, to - offset + length);
      to += length;
    } else if (offset === 1) {
      target.fill(target[to - 1], to, to + length);
      to += length;
    } else {
      for (const stop = to + length; to < stop; to++) target[to] = target[to - offset];
    }
  }
  if (to !== expected) throw new Error(`lz4: ${expected} bytes expected, found ${to}`);
}

/** Undo bitshuffle for one block: plane k holds bit k of every element. */
function unshuffle(planes, elements, size, target, at) {
  const row = elements / 8; // bytes of one plane
  for (let byte = 0; byte < size; byte++) {
    const p0 = byte * 8 * row;
    const p1 = p0 + row, p2 = p1 + row, p3 = p2 + row, p4 = p3 + row, p5 = p4 + row, p6 = p5 + row, p7 = p6 + row;
    let to = at + byte;
    for (let j = 0; j < row; j++) {
      // An 8x8 matrix of bits in two words, transposed by swapping ever larger squares.
      let low = planes[p0 + j] | (planes[p1 + j] << 8) | (planes[p2 + j] << 16) | (planes[p3 + j] << 24);
      let high = planes[p4 + j] | (planes[p5 + j] << 8) | (planes[p6 + j] << 16) | (planes[p7 + j] << 24);
      if ((low | high) === 0) { to += 8 * size; continue; } // the target is zero already
      let swap = (low ^ (low >>> 7)) & 0x00aa00aa; low ^= swap ^ (swap << 7);
      swap = (high ^ (high >>> 7)) & 0x00aa00aa; high ^= swap ^ (swap << 7);
      swap = (low ^ (low >>> 14)) & 0x0000cccc; low ^= swap ^ (swap << 14);
      swap = (high ^ (high >>> 14)) & 0x0000cccc; high ^= swap ^ (swap << 14);
      swap = (low ^ (high << 4)) & 0xf0f0f0f0; low ^= swap; high ^= swap >>> 4;
      target[to] = low; to += size;
      target[to] = low >>> 8; to += size;
      target[to] = low >>> 16; to += size;
      target[to] = low >>> 24; to += size;
      target[to] = high; to += size;
      target[to] = high >>> 8; to += size;
      target[to] = high >>> 16; to += size;
      target[to] = high >>> 24; to += size;
    }
  }
}
