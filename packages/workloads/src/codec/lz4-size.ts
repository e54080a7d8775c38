/**
 * Sizes of LZ4 blocks with the choices of the reference library's `LZ4_compress_default`: the same
 * hash, table, search steps and end-of-block rules, so that sizes equal those of zram, zswap and
 * lz4 1.9 to the byte. (Other encoders of the same format find other matches: see
 * docs/decisions.md.) Nothing is written: only how small a block gets matters here.
 *
 * Simplified: one block of at most 64 KiB, which the reference compresses with a table of 16-bit
 * positions.
 */

/** Longest input of one block in bytes. */
const LZ4_BLOCK_BYTES_MAX = 65536;

const HASH_LOG = 13;
const MATCH_MIN = 4;
const LAST_LITERALS = 5;
const MATCH_FIND_LIMIT = 12;
const SKIP_TRIGGER = 6;
/** Lengths from here on take bytes beside the four bits in the token. */
const RUN_MASK = 15;
/** A token, and how far back the match is. */
const SEQUENCE_BYTES = 3;

const table = new Uint16Array(1 << HASH_LOG);
/** The block, copied here so that words are read at any place by one view. */
const block = new Uint8Array(LZ4_BLOCK_BYTES_MAX);
const words = new DataView(block.buffer);

/**
 * Bytes that a block takes compressed, without a frame.
 *
 * @param input at most `LZ4_BLOCK_BYTES_MAX` bytes
 * @throws RangeError when it is longer
 */
export function lz4CompressedSize(input: Uint8Array): number {
  const end = input.length;
  if (end > LZ4_BLOCK_BYTES_MAX) throw new RangeError(`an lz4 block of ${end} bytes does not fit`);
  if (end <= MATCH_FIND_LIMIT) return lastBytes(end);
  block.set(input);
  table.fill(0);
  const searchEnd = end - MATCH_FIND_LIMIT + 1;
  const matchEnd = end - LAST_LITERALS;
  let size = 0;
  let anchor = 0;
  let at = 1;
  for (;;) {
    at = findMatch(at, searchEnd);
    if (at < 0) return size + lastBytes(end - anchor);
    let match = matchFound;
    while (at > anchor && match > 0 && block[at - 1] === block[match - 1]) {
      at--;
      match--;
    }
    for (;;) {
      const literals = at - anchor;
      const extra = equalBytes(at + MATCH_MIN, match + MATCH_MIN, matchEnd);
      size += SEQUENCE_BYTES + literals + lengthBytes(literals) + lengthBytes(extra);
      at += MATCH_MIN + extra;
      anchor = at;
      if (at >= searchEnd) return size + lastBytes(end - anchor);
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

/** What follows the last match: a token and literals. */
function lastBytes(literals: number): number {
  return 1 + literals + lengthBytes(literals);
}

/** Bytes that a length takes beside the four bits in the token. */
function lengthBytes(length: number): number {
  return length < RUN_MASK ? 0 : 1 + (((length - RUN_MASK) / 255) | 0);
}

function hashOf(word: number): number {
  return Math.imul(word, -1640531535) >>> (32 - HASH_LOG);
}
