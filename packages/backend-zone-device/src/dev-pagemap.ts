import type { MemoryDevice, VmFault } from '@mm-lab/mm-core';
import { MEMORY_DEVICE_COHERENT, MEMORY_DEVICE_PRIVATE, type MemoryType } from './memory-type.js';

/** What a driver answers for its pages (struct dev_pagemap_ops). Failures are VM_FAULT_* bits. */
export interface DevPagemapOps {
  /**
   * Called by: `__folio_put`, `folios_put_refs`, when the last reference went; not for FS_DAX and
   *            GENERIC. Required of PRIVATE and COHERENT.
   * Holding:   nothing; the refcount is 0, the order of the folio still stands.
   * May:       put the page on the driver's own free list; must not sleep.
   * Returns:   nothing: the page is the driver's from here, and the buddy allocator never sees it.
   * Linux:     `dev_pagemap_ops.folio_free` (`page_free` up to 6.12).
   */
  folio_free?(folio: number): void;

  /**
   * Called by: `do_swap_page` for a device-private entry; PRIVATE only, where it is required.
   * Holding:   the page is locked and referenced; the page-table lock is released.
   * May:       allocate, reclaim and migrate; must leave lock and reference to the caller.
   * Returns:   0 to try the access again, moved or not; VM_FAULT_OOM or VM_FAULT_SIGBUS.
   * Linux:     `dev_pagemap_ops.migrate_to_ram`.
   */
  migrate_to_ram?(vmf: VmFault, page: number): number;

  /**
   * Called by: `memory_failure_dev_pagemap`, for an error in a page of the map.
   * Holding:   nothing.
   * May:       tell whoever uses the page.
   * Returns:   0 or -errno; -EOPNOTSUPP leaves it to the core, which answers -EBUSY.
   * Linux:     `dev_pagemap_ops.memory_failure`.
   */
  memory_failure?(pfn: number, flags: number): number;

  /**
   * Called by: `__folio_split`, once for each new folio of a PRIVATE one and once with -1 for the
   *            original.
   * Holding:   the folio is frozen or locked.
   * May:       split what backs the folio, copy its own data to the new one.
   * Returns:   nothing.
   * Linux:     `dev_pagemap_ops.folio_split`.
   */
  folio_split?(head: number, tail: number): void;
}

/** What a driver asks for (struct dev_pagemap before memremap_pages). */
export interface DevPagemapRequest {
  readonly name: string;
  readonly type: MemoryType;
  /** Node it belongs to: possible, without memory. */
  readonly nid: number;
  /**
   * The node that the driver names to memremap_pages, whose statistics count the pages; default
   * the first one with memory.
   */
  readonly localNid?: number;
  /** The part of the node's pages that it takes; default all of them. */
  readonly range?: { readonly start: number; readonly pages: number };
  /** What backs the range, or null for memory that nobody simulates. */
  readonly device: MemoryDevice | null;
  /** Compared by identity: whose pages a migration may pick up; PRIVATE and COHERENT need one. */
  readonly owner: object | null;
  readonly ops: DevPagemapOps;
}

/** A range of device memory with struct pages (struct dev_pagemap). */
export class DevPagemap {
  /**
   * The pgmap's own counter, its base reference not counted. Invariant: equals the pages that were
   * allocated and not freed yet.
   */
  allocated = 0;

  constructor(
    readonly request: DevPagemapRequest,
    /** First pfn. */
    readonly base: number,
    readonly pages: number,
  ) {}

  get owner(): object | null {
    return this.request.owner;
  }

  get ops(): DevPagemapOps {
    return this.request.ops;
  }

  /** Can the CPU not address its pages? */
  isPrivate(): boolean {
    return this.request.type === MEMORY_DEVICE_PRIVATE;
  }

  /** Is it memory that the CPU addresses and a driver hands out? */
  isCoherent(): boolean {
    return this.request.type === MEMORY_DEVICE_COHERENT;
  }

  has(pfn: number): boolean {
    return pfn >= this.base && pfn < this.base + this.pages;
  }
}
