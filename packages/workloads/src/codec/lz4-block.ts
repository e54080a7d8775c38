/**
 * LZ4 block compression with the choices of the reference library's `LZ4_compress_default`: the
 * same hash, table, search steps and end-of-block rules, so that sizes equal those of zram, zswap
 * and lz4 1.9 to the byte. (Other encoders of the same format find other matches: see
 * docs/decisions.md.)
 *
 * Simplified: one block of at most 64 KiB, which the reference compresses with a table of 16-bit
 * positions.
 */

/** Longest input of one block in bytes. */
export const LZ4_BLOCK_BYTES_MAX = 65536;

const HASH_LOG = 13;
const MATCH_MIN = 4;
const LAST_LITERALS = 5;
const MATCH_FIND_LIMIT = 12;
const SKIP_TRIGGER = 6;
const RUN_MASK = 15;

const table = new Uint16Array(1 << HASH_LOG);
/** The block, copied here so that words are read at any place by one view. */
const block = new Uint8Array(LZ4_BLOCK_BYTES_MAX);
const words = new DataView(block.buffer);
/**
 * What the block is cut into: where its literals end, how far back the match is that follows, and
 * by how many bytes it is longer than four. After the last match there are only literals.
 */
const literalsEnd = new Int32Array(LZ4_BLOCK_BYTES_MAX / MATCH_MIN);
const distances = new Int32Array(LZ4_BLOCK_BYTES_MAX / MATCH_MIN);
const extras = new Int32Array(LZ4_BLOCK_BYTES_MAX / MATCH_MIN);

/** Most bytes that a block of `bytes` input bytes can need: `LZ4_compressBound`. */
export function lz4Bound(bytes: number): number {
  return bytes + Math.floor(bytes / 255) + 16;
}

/**
 * Bytes that `lz4CompressBlock` would write, which it need not write for that.
 *
 * @param input at most `LZ4_BLOCK_BYTES_MAX` bytes
 * @throws RangeError when it is longer
 */
export function lz4CompressedSize(input: Uint8Array): number {
  const count = cut(input);
  let size = 0;
  let anchor = 0;
  for (let at = 0; at < count; at++) {
    const literals = literalsEnd[at]! - anchor;
    size += 1 + lengthBytes(literals) + literals + 2 + lengthBytes(extras[at]!);
    anchor = literalsEnd[at]! + MATCH_MIN + extras[at]!;
  }
  const last = input.length - anchor;
  return size + 1 + lengthBytes(last) + last;
}

/**
 * Compresses `input` into `output`.
 *
 * @param input at most `LZ4_BLOCK_BYTES_MAX` bytes
 * @param output at least `lz4Bound(input.length)` bytes
 * @returns number of bytes written
 * @throws RangeError when either does not fit
 */
export function lz4CompressBlock(input: Uint8Array, output: Uint8Array): number {
  if (output.length < lz4Bound(input.length)) {
    throw new RangeError(`an lz4 block of ${input.length} bytes does not fit`);
  }
  const count = cut(input);
  let written = 0;
  let anchor = 0;
  for (let at = 0; at < count; at++) {
    const tokenAt = written;
    written = writeLiterals(anchor, literalsEnd[at]!, output, written);
    written = writeMatch(output, tokenAt, written, distances[at]!, extras[at]!);
    anchor = literalsEnd[at]! + MATCH_MIN + extras[at]!;
  }
  return writeLiterals(anchor, input.length, output, written);
}

/** Cuts the block at its matches. @returns their number */
function cut(input: Uint8Array): number {
  const end = input.length;
  if (end > LZ4_BLOCK_BYTES_MAX) throw new RangeError(`an lz4 block of ${end} bytes does not fit`);
  block.set(input);
  if (end <= MATCH_FIND_LIMIT) return 0;
  table.fill(0);
  const searchEnd = end - MATCH_FIND_LIMIT + 1;
  const matchEnd = end - LAST_LITERALS;
  let count = 0;
  let anchor = 0;
  let at = 1;
  for (;;) {
    at = findMatch(at, searchEnd);
    if (at < 0) return count;
    let match = matchFound;
    while (at > anchor && match > 0 && block[at - 1] === block[match - 1]) {
      at--;
      match--;
    }
    for (;;) {
      const extra = equalBytes(at + MATCH_MIN, match + MATCH_MIN, matchEnd);
      literalsEnd[count] = at;
      distances[count] = at - match;
      extras[count++] = extra;
      at += extra + MATCH_MIN;
      anchor = at;
      if (at >= searchEnd) return count;
      table[hashOf(words.getInt32(at - 2, true))] = at - 2;
      const word = words.getInt32(at, true);
      const hash = hashOf(word);
      match = table[hash]!;
      table[hash] = at;
      if (words.getInt32(match, true) !== word) break;
    }
    at++;
  }
}

/** Position of the earlier occurrence that `findMatch` met. */
let matchFound = 0;

/** The next position from `start` on with an earlier equal word (then in `matchFound`), or -1. */
function findMatch(start: number, searchEnd: number): number {
  let next = start;
  let step = 1;
  let tries = 1 << SKIP_TRIGGER;
  let word = words.getInt32(start, true);
  for (;;) {
    const at = next;
    next += step;
    step = tries++ >> SKIP_TRIGGER;
    if (next > searchEnd) return -1;
    const hash = hashOf(word);
    const match = table[hash]!;
    table[hash] = at;
    if (words.getInt32(match, true) === word) {
      matchFound = match;
      return at;
    }
    word = words.getInt32(next, true);
  }
}

/** Number of equal bytes from `at` and `match` on, four at a time, stopping at `end`. */
function equalBytes(at: number, match: number, end: number): number {
  let a = at;
  let b = match;
  for (; a + 4 <= end; a += 4, b += 4) {
    const differs = words.getInt32(a, true) ^ words.getInt32(b, true);
    if (differs !== 0) return a - at + ((31 - Math.clz32(differs & -differs)) >> 3);
  }
  while (a < end && block[a] === block[b]) {
    a++;
    b++;
  }
  return a - at;
}

/** Bytes that a length takes beside the four bits in the token. */
function lengthBytes(length: number): number {
  return length < RUN_MASK ? 0 : 1 + Math.floor((length - RUN_MASK) / 255);
}

function writeLiterals(from: number, to: number, output: Uint8Array, at: number): number {
  const length = to - from;
  let out = at + 1;
  if (length < RUN_MASK) {
    output[at] = length << 4;
  } else {
    output[at] = RUN_MASK << 4;
    out = writeLength(output, out, length - RUN_MASK);
  }
  output.set(block.subarray(from, to), out);
  return out + length;
}

function writeMatch(
  output: Uint8Array,
  tokenAt: number,
  at: number,
  distance: number,
  extra: number,
): number {
  output[at] = distance & 255;
  output[at + 1] = distance >> 8;
  if (extra < RUN_MASK) {
    output[tokenAt] = output[tokenAt]! + extra;
    return at + 2;
  }
  output[tokenAt] = output[tokenAt]! + RUN_MASK;
  return writeLength(output, at + 2, extra - RUN_MASK);
}

function writeLength(output: Uint8Array, at: number, length: number): number {
  let rest = length;
  let out = at;
  for (; rest >= 255; rest -= 255) output[out++] = 255;
  output[out++] = rest;
  return out;
}

function hashOf(word: number): number {
  return Math.imul(word, -1640531535) >>> (32 - HASH_LOG);
}
