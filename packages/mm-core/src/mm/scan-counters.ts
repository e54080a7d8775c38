import type { VmstatName } from '../abi/vmstat.js';
import { createToken, inject, injectable } from '../base/di.js';
import { LRU_GEN_ANON } from '../mem/lruvec.js';
import type { MemCgroup } from '../mem/memcg.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { ScanControl } from './scan-control.js';

/** What reclaim counts, for the machine and for the group whose pages it takes. */
@injectable()
export class ScanCounters {
  constructor(@inject(VmstatToken) private readonly vmstat: Vmstat) {}

  /** Pages taken off the lists of a type to look at them. */
  isolated(memcg: MemCgroup | null, sc: ScanControl, type: number, pages: number): void {
    if (pages === 0) return;
    this.vmstat.count(`pgscan_${sc.reclaimer}`, pages);
    this.ofGroup(memcg, `pgscan_${sc.reclaimer}`, pages);
    this.event(memcg, type === LRU_GEN_ANON ? 'pgscan_anon' : 'pgscan_file', pages);
  }

  /** Pages reclaimed, demoted ones included. */
  stolen(memcg: MemCgroup | null, sc: ScanControl, type: number, pages: number): void {
    if (pages === 0) return;
    this.vmstat.count(`pgsteal_${sc.reclaimer}`, pages);
    this.ofGroup(memcg, `pgsteal_${sc.reclaimer}`, pages);
    this.event(memcg, type === LRU_GEN_ANON ? 'pgsteal_anon' : 'pgsteal_file', pages);
  }

  /** Pages moved down. */
  demoted(memcg: MemCgroup | null, sc: ScanControl, pages: number): void {
    if (pages === 0) return;
    this.vmstat.count(`pgdemote_${sc.reclaimer}`, pages);
    this.ofGroup(memcg, `pgdemote_${sc.reclaimer}`, pages);
  }

  /** Pages that only went to another list. */
  sorted(memcg: MemCgroup | null, pages: number): void {
    this.event(memcg, 'pgrefill', pages);
  }

  event(memcg: MemCgroup | null, name: VmstatName, by: number): void {
    if (by === 0) return;
    this.vmstat.count(name, by);
    this.ofGroup(memcg, name, by);
  }

  private ofGroup(memcg: MemCgroup | null, name: VmstatName, by: number): void {
    if (memcg !== null && memcg.parent !== null) memcg.count(Vmstat.index(name), by);
  }
}
export const ScanCountersToken = createToken<ScanCounters>('ScanCounters');
