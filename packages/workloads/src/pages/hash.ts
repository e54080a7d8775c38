/** A well-mixed unsigned 32-bit number from two integers: chance without a stream, by name. */
export function hash32(a: number, b: number): number {
  let z = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** A uniform number in [0, 1) from two integers. */
export function hashUnit(a: number, b: number): number {
  return hash32(a, b) / 2 ** 32;
}

/** A 32-bit name of a page number, which may exceed 32 bits. */
export function hashVpn(seed: number, vpn: number): number {
  return hash32(hash32(seed, vpn | 0), Math.floor(vpn / 2 ** 32));
}
