import { VM_LOCKED } from '@mm-lab/mm-core';
import type { DevPagemap } from '../dev-pagemap.js';
import { type MigrateVmaArgs, migrateVmaArgs } from '../migrate-args.js';
import {
  MIGRATE_PFN_MIGRATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfn,
  migratePfnToPage,
} from '../migrate-pfn.js';
import type { ColdRun } from './cold-pages.js';
import type { DevicePages } from './device-pages.js';
import type { DriverCounts } from './driver-counts.js';
import type { DriverParts } from './driver-parts.js';
import type { Headroom } from './headroom.js';

/** Moves cold pages to the device with migrate_vma, never more than surely fit. */
export class Demoter {
  constructor(
    private readonly parts: DriverParts,
    private readonly pgmap: DevPagemap,
    private readonly pages: DevicePages,
    private readonly headroom: Headroom,
    private readonly counts: DriverCounts,
  ) {}

  /** Pages that may be demoted now, of `wanted`. */
  room(wanted: number): number {
    return Math.min(wanted, this.pages.free, this.headroom.pages());
  }

  /**
   * Moves runs, one migrate_vma each, as the pages of one must lie in one vma. In an actor's event
   * the entries stand until the cost is over.
   * @returns pages moved
   */
  demote(runs: readonly ColdRun[]): number {
    let moved = 0;
    for (const run of runs) {
      for (let at = run.start; at < run.end; ) {
        const vma = run.mm.find(at);
        const end = Math.min(run.end, vma?.end ?? at + 1);
        const locked = vma === null || (vma.flags & VM_LOCKED) !== 0;
        if (!locked) moved += this.demoteRange({ ...run, start: at, end });
        at = end;
      }
    }
    return moved;
  }

  private demoteRange({ mm, start, end }: ColdRun): number {
    const { migrateVma, install } = this.parts;
    const { owner } = this.pgmap;
    const args = migrateVmaArgs({ mm, start, end, owner, flags: MIGRATE_VMA_SELECT_SYSTEM });
    if (migrateVma.setup(args) < 0 || args.cpages === 0) return 0;
    const room = this.room(args.cpages);
    let given = 0;
    for (let at = 0; at < args.src.length; at++) {
      if (given < room && this.give(args, at)) given++;
    }
    if (given < args.cpages) this.counts.refused += 1;
    migrateVma.pages(args);
    const moved = args.src.filter((entry) => (entry & MIGRATE_PFN_MIGRATE) !== 0).length;
    this.counts.demoted += moved;
    this.counts.droppedOut += given - moved;
    install.finalizeAfterCost(args, () => undefined);
    return moved;
  }

  /** Allocates and fills the destination of one entry. @returns is there one? */
  private give(args: MigrateVmaArgs, at: number): boolean {
    const { memremap, deviceCopy, install } = this.parts;
    const src = migratePfnToPage(args.src[at]!);
    if (src < 0 || (args.src[at]! & MIGRATE_PFN_MIGRATE) === 0) return false;
    const page = this.pages.take();
    if (page < 0) return false;
    memremap.pageInit(this.pgmap, page);
    if (!deviceCopy.copy(page, src)) {
      this.counts.storeFailed += 1;
      install.withdraw(page);
      return false;
    }
    args.dst[at] = migratePfn(page);
    return true;
  }
}
