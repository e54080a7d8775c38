import { PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { MemCgroup } from '../mem/memcg.js';
import type { MmStruct } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type AllocMpol, AllocMpolToken, type VmaPage } from './alloc-mpol.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memcontrol, MemcontrolToken } from './memcontrol.js';
import type { PolicyChoice } from './mempolicy.js';
import { type Work, WorkToken } from './work.js';

/** Folios for user memory: allocated by policy, and charged (mm/memory.c:folio_prealloc). */
@injectable()
export class FolioPrealloc {
  private readonly fallbackCharge = Vmstat.index('thp_fault_fallback_charge');

  constructor(
    @inject(AllocMpolToken) private readonly allocMpol: AllocMpol,
    @inject(MemcontrolToken) private readonly memcontrol: Memcontrol,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** For a page of an area, charged to its address space. @returns first pfn or -1 */
  forVma(page: VmaPage, order: number, gfp: number): number {
    const folio = this.allocMpol.vmaAllocFolio(page, order, gfp);
    if (folio < 0) return -1;
    const charged = this.charged(folio, page.mm, gfp);
    if (charged < 0 && order === PMD_ORDER) this.vmstat.add(this.fallbackCharge, 1);
    return charged;
  }

  /** For a page that comes back from swap: charged to the group it went out of, if that lives. */
  forSwapIn(page: VmaPage, gfp: number, memcg: MemCgroup | null, order = 0): number {
    if (memcg === null || !memcg.online) return this.forVma(page, order, gfp);
    const folio = this.allocMpol.vmaAllocFolio(page, order, gfp);
    if (folio < 0) return -1;
    return this.orFree(folio, this.memcontrol.chargeTo(folio, memcg, gfp));
  }

  /** For a page of a file, charged to the task that touches it first. */
  forFile(choice: PolicyChoice, gfp: number, order = 0): number {
    const folio = this.allocMpol.allocPages(choice, order, gfp);
    return folio < 0 ? -1 : this.charged(folio, this.work.current?.mm ?? null, gfp);
  }

  /** For a page of shared memory that comes back from swap: charged to the group it went out of. */
  forFileSwapIn(choice: PolicyChoice, gfp: number, memcg: MemCgroup | null): number {
    if (memcg === null || !memcg.online) return this.forFile(choice, gfp);
    const folio = this.allocMpol.allocPages(choice, 0, gfp);
    return folio < 0 ? -1 : this.orFree(folio, this.memcontrol.chargeTo(folio, memcg, gfp));
  }

  private charged(folio: number, mm: MmStruct | null, gfp: number): number {
    return this.orFree(folio, this.memcontrol.charge(folio, mm, gfp));
  }

  private orFree(folio: number, rc: number): number {
    if (rc === 0) return folio;
    this.folios.put(folio);
    return -1;
  }
}
export const FolioPreallocToken = createToken<FolioPrealloc>('FolioPrealloc');
