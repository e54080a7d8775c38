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

/** Most bytes that a block of `bytes` input bytes can need: `LZ4_compressBound`. */
export function lz4Bound(bytes: number): number {
  return bytes + Math.floor(bytes / 255) + 16;
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
  if (input.length > LZ4_BLOCK_BYTES_MAX || output.length < lz4Bound(input.length)) {
    throw new RangeError(`an lz4 block of ${input.length} bytes does not fit`);
  }
  const end = input.length;
  if (end <= MATCH_FIND_LIMIT) return writeLastLiterals(input, 0, output, 0);
  table.fill(0);
  const searchEnd = end - MATCH_FIND_LIMIT + 1;
  let anchor = 0;
  let at = 1;
  let written = 0;
  for (;;) {
    const found = findMatch(input, at, searchEnd);
    if (found < 0) return writeLastLiterals(input, anchor, output, written);
    at = found;
    let match = matchFound;
    while (at > anchor && match > 0 && input[at - 1] === input[match - 1]) {
      at--;
      match--;
    }
    let tokenAt = written;
    written = writeLiterals(input, anchor, at, output, written);
    for (;;) {
      const extra = matchLength(input, at + MATCH_MIN, match + MATCH_MIN);
      written = writeMatch(output, tokenAt, written, at - match, extra);
      at += extra + MATCH_MIN;
      anchor = at;
      if (at >= searchEnd) return writeLastLiterals(input, anchor, output, written);
      table[hashAt(input, at - 2)] = at - 2;
      const hash = hashAt(input, at);
      match = table[hash]!;
      table[hash] = at;
      if (!sameWord(input, match, at)) break;
      tokenAt = written++;
      output[tokenAt] = 0;
    }
    at++;
  }
}

/** Position of the earlier occurrence that `findMatch` met. */
let matchFound = 0;

/** The next position from `start` on with an earlier equal word (then in `matchFound`), or -1. */
function findMatch(input: Uint8Array, start: number, searchEnd: number): number {
  let next = start;
  let step = 1;
  let tries = 1 << SKIP_TRIGGER;
  let hash = hashAt(input, start);
  for (;;) {
    const at = next;
    next += step;
    step = tries++ >> SKIP_TRIGGER;
    if (next > searchEnd) return -1;
    const match = table[hash]!;
    table[hash] = at;
    hash = hashAt(input, next);
    if (sameWord(input, match, at)) {
      matchFound = match;
      return at;
    }
  }
}

/** Number of equal bytes from `at` and `match` on, stopping where the last literals must begin. */
function matchLength(input: Uint8Array, at: number, match: number): number {
  const limit = input.length - LAST_LITERALS;
  let a = at;
  let b = match;
  while (a < limit && input[a] === input[b]) {
    a++;
    b++;
  }
  return a - at;
}

function writeLiterals(
  input: Uint8Array,
  from: number,
  to: number,
  output: Uint8Array,
  at: number,
): number {
  const length = to - from;
  const tokenAt = at;
  let out = at + 1;
  if (length < RUN_MASK) {
    output[tokenAt] = length << 4;
  } else {
    output[tokenAt] = RUN_MASK << 4;
    out = writeLength(output, out, length - RUN_MASK);
  }
  for (let i = from; i < to; i++) output[out++] = input[i]!;
  return out;
}

function writeLastLiterals(input: Uint8Array, from: number, output: Uint8Array, at: number) {
  return writeLiterals(input, from, input.length, output, at);
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

function hashAt(input: Uint8Array, at: number): number {
  const word = input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24);
  return Math.imul(word, -1640531535) >>> (32 - HASH_LOG);
}

function sameWord(input: Uint8Array, a: number, b: number): boolean {
  return (
    input[a] === input[b] &&
    input[a + 1] === input[b + 1] &&
    input[a + 2] === input[b + 2] &&
    input[a + 3] === input[b + 3]
  );
}
