/** A segment for `elfCore`. */
export interface TestSegment {
  readonly vpn: number;
  /** Contents in the file; whole pages in a good core. */
  readonly bytes: Uint8Array;
}

/** Bytes of an ELF64 core file with these segments. */
export function elfCore(segments: readonly TestSegment[]): Buffer {
  const headers = Buffer.alloc(64 + segments.length * 56);
  headers.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  headers.writeUInt16LE(4, 16);
  headers.writeUInt16LE(62, 18);
  headers.writeBigUInt64LE(64n, 32);
  headers.writeUInt16LE(64, 52);
  headers.writeUInt16LE(56, 54);
  headers.writeUInt16LE(segments.length, 56);
  const start = Math.ceil(headers.length / 4096) * 4096;
  let offset = start;
  for (const [i, { vpn, bytes }] of segments.entries()) {
    const at = 64 + i * 56;
    headers.writeUInt32LE(1, at);
    headers.writeBigUInt64LE(BigInt(offset), at + 8);
    headers.writeBigUInt64LE(BigInt(vpn) * 4096n, at + 16);
    headers.writeBigUInt64LE(BigInt(bytes.length), at + 32);
    headers.writeBigUInt64LE(BigInt(bytes.length), at + 40);
    offset += bytes.length;
  }
  const gap = Buffer.alloc(start - headers.length);
  return Buffer.concat([headers, gap, ...segments.map(({ bytes }) => bytes)]);
}

/** A page full of one byte. */
export function pageOf(byte: number): Uint8Array {
  return new Uint8Array(4096).fill(byte);
}
