import { contentsOf } from '../contents.js';

/** Stores in a row that write the same bytes. */
const EQUAL_STORES = 8;

/** Name of the bytes that a store wrote, by the identity of its contents. */
export function bytesOf(version: number): number {
  return version <= 0 ? 0 : 1 + Math.floor(version / EQUAL_STORES);
}

/** Page contents of fuzzed machines: neighbouring pages are often equal, so that KSM has work. */
export const fuzzData = contentsOf({
  keyOf: (_vpn, version) => bytesOf(version),
  render: (key, out) => out.fill(key),
  compressedSize: (key) => (key === 0 ? 0 : Math.min(4096, 64 + ((key * 397) % 4200))),
});
