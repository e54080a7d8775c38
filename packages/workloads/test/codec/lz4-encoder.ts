/**
 * `LZ4_compress_default` written for reading: it makes the blocks whose sizes `lz4` of the package
 * only counts. The table remembers words and where they stood last, by their hash.
 */
export function lz4Block(input: Buffer): Buffer {
  const out: number[] = [];
  const last = new Map<number, number>([[hashOf(word(input, 0)), 0]]);
  /** Remembers a place. @returns the earlier one with the same word, or -1 */
  const meet = (at: number): number => {
    const hash = hashOf(word(input, at));
    const earlier = last.get(hash) ?? -1;
    last.set(hash, at);
    return earlier >= 0 && word(input, earlier) === word(input, at) ? earlier : -1;
  };
  let anchor = 0;
  let at = 1;
  while (input.length > 12) {
    let [found, step, tries] = [-1, 1, 64];
    for (let next = at; found < 0; ) {
      at = next;
      next += step;
      step = tries++ >> 6;
      if (next > input.length - 11) return Buffer.from(literals(out, input, anchor));
      found = meet(at);
    }
    while (at > anchor && found > 0 && input[at - 1] === input[found - 1]) {
      at--;
      found--;
    }
    while (found >= 0) {
      let length = 4;
      while (at + length < input.length - 5 && input[at + length] === input[found + length])
        length++;
      sequence(out, input.subarray(anchor, at), { back: at - found, length });
      at += length;
      anchor = at;
      if (at >= input.length - 11) return Buffer.from(literals(out, input, anchor));
      meet(at - 2);
      found = meet(at);
    }
    at++;
  }
  return Buffer.from(literals(out, input, anchor));
}

function word(input: Buffer, at: number): number {
  return at + 4 <= input.length ? input.readInt32LE(at) : 0;
}

function hashOf(value: number): number {
  return Math.imul(value, 2654435761) >>> 19;
}

interface Match {
  readonly back: number;
  readonly length: number;
}

function sequence(out: number[], text: Buffer, { back, length }: Match): void {
  const extra = length - 4;
  out.push((Math.min(text.length, 15) << 4) | Math.min(extra, 15), ...more(text.length), ...text);
  out.push(back & 255, back >> 8, ...more(extra));
}

/** The literals from `anchor` on, which end a block. */
function literals(out: number[], input: Buffer, anchor: number): number[] {
  const text = input.subarray(anchor);
  out.push(Math.min(text.length, 15) << 4, ...more(text.length));
  for (const byte of text) out.push(byte);
  return out;
}

/** What of a length does not fit in the token. */
function more(length: number): number[] {
  if (length < 15) return [];
  return [...Array<number>(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255];
}
