import type { PageData } from '../hooks/page-data.js';

/**
 * Page contents when nobody cares about bytes: every stored page is the same incompressible page. A
 * workload's plugin binds real ones.
 */
export class IncompressibleData implements PageData {
  keyOf(): number {
    return 1;
  }

  render(key: number, out: Uint8Array): void {
    let state = key;
    for (let at = 0; at < out.length; at++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      out[at] = key === 0 ? 0 : state >>> 24;
    }
  }

  compressedSize(key: number): number {
    return key === 0 ? 0 : 4096;
  }
}
