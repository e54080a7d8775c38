import { NoIsolation } from '@mm-lab/mm-core';
import { __GFP_PRIVATE } from '../gfp.js';

/**
 * RFC v4: one gate that looks at a bit of the request (patch 03), and a private node in no list but
 * its own (patch 04). Cpusets grant and withhold private nodes (patch 02), and a policy that names
 * one that did not opt in is refused (patch 13).
 */
export class GfpPrivate extends NoIsolation {
  override readonly name = 'gfp-private';
  override readonly asking: number = __GFP_PRIVATE;
  override readonly mark: number = __GFP_PRIVATE;
  override readonly lists = { ownFallback: true, ownNofallback: true, third: false };

  override admits(_nid: number, gfp: number): boolean {
    return (gfp & __GFP_PRIVATE) !== 0;
  }
}
