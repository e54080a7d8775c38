import type { DevPagemap } from '../dev-pagemap.js';

/** A piece of device memory: 256 MiB by default, one page map (struct dmirror_chunk). */
export interface DmirrorChunk {
  readonly pagemap: DevPagemap;
  /** Freed pages of a chunk that goes do not return to the free lists. */
  remove: boolean;
}
