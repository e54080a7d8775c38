import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { PAGE_SIZE, type PageData, Prng } from '@mm-lab/mm-core';

/** Contents whose name is their compressed size: for tests about bytes. */
export function sizedPages(): PageData {
  return {
    keyOf: (vpn) => (vpn % PAGE_SIZE) + 1,
    render: (key, out) => out.fill(key === 0 ? 0 : 1),
    compressedSize: (key) => key,
  };
}

const COMPRESSORS: Readonly<Record<string, (bytes: Uint8Array) => number>> = {
  deflate: (bytes) => deflateRawSync(bytes).length,
  'zstd-1': (bytes) => zstd(bytes, 1),
  'zstd-3': (bytes) => zstd(bytes, 3),
};

/** Share of bytes of a page that are noise, by key: from nearly empty to incompressible. */
const NOISE = [0.02, 0.1, 0.3, 0.6, 1] as const;

/** Real bytes under real codecs: words from a small dictionary with noise among them. */
export function realPages(): PageData {
  const sizes = new Map<string, number>();
  const render = (key: number, out: Uint8Array): void => {
    const random = new Prng(key);
    const noise = NOISE[key % NOISE.length] ?? 1;
    for (let at = 0; at < out.length; at++) {
      out[at] = random.chance(noise) ? random.below(256) : at & 0x1f;
    }
    if (key === 0) out.fill(0);
  };
  const measure = (key: number, codec: string, blockBytes: number): number => {
    const compress = COMPRESSORS[codec];
    if (compress === undefined) throw new Error(`no codec ${codec}`);
    const page = new Uint8Array(PAGE_SIZE);
    render(key, page);
    let sum = 0;
    for (let at = 0; at < PAGE_SIZE; at += blockBytes) {
      sum += Math.min(compress(page.subarray(at, at + blockBytes)), blockBytes);
    }
    return sum;
  };
  return {
    keyOf: (vpn, version) => 1 + ((vpn + version) % 200),
    render,
    compressedSize: (key, codec, blockBytes) => {
      const name = `${key} ${codec} ${blockBytes}`;
      const size = sizes.get(name) ?? measure(key, codec, blockBytes);
      sizes.set(name, size);
      return size;
    },
  };
}

function zstd(bytes: Uint8Array, level: number): number {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } }).length;
}
