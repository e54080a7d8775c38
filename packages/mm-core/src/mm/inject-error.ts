import { EIO, EOPNOTSUPP, EPERM } from '../abi/errno.js';
import { MF_ACTION_REQUIRED, MF_SW_SIMULATED } from '../abi/memory-failure.js';
import { MADV_SOFT_OFFLINE } from '../abi/mman.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Gup, GupToken } from './gup.js';
import { type MemoryFailure, MemoryFailureToken } from './memory-failure.js';
import { type SoftOffline, SoftOfflineToken } from './soft-offline.js';

/** MADV_HWPOISON and MADV_SOFT_OFFLINE (mm/madvise.c:madvise_inject_error). */
@injectable()
export class InjectError {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(GupToken) private readonly gup: Gup,
    @inject(MemoryFailureToken) private readonly memoryFailure: MemoryFailure,
    @inject(SoftOfflineToken) private readonly softOffline: SoftOffline,
  ) {}

  /**
   * Acts on every folio that a read of the pages finds; a step is as long as the folio. The running
   * task may find a signal afterwards (`lastSignal`).
   * @returns 0; -EPERM; -EFAULT for a hole; -EIO for the huge zero page; what the first page that
   *   failed came to
   */
  run(task: TaskStruct, start: number, end: number, advice: number): number {
    if (!task.creds.capSysAdmin) return -EPERM;
    for (let vpn = start; vpn < end; ) {
      const page = this.gup.getUserPage(task.mm, vpn, task.nid);
      if (page !== 'zero' && page < 0) return page;
      const isHugeZero = page === 'zero' && this.ptes.isHuge(this.ptes.find(task.mm.id, vpn));
      vpn += page === 'zero' ? 1 : this.table.nrPages(this.table.head(page));
      // The huge zero page is on no LRU, so that nobody knows how to take it.
      if (isHugeZero && advice === MADV_SOFT_OFFLINE) return -EIO;
      const rc = advice === MADV_SOFT_OFFLINE ? this.takeOffline(page) : this.poison(page);
      if (rc !== 0) return rc;
    }
    return 0;
  }

  private poison(page: number | 'zero'): number {
    const flags = MF_ACTION_REQUIRED | MF_SW_SIMULATED;
    if (page === 'zero') return this.memoryFailure.zeroPageFailure(flags);
    this.folios.put(this.table.head(page));
    const rc = this.memoryFailure.memoryFailure(page, flags);
    return rc === -EOPNOTSUPP ? 0 : rc;
  }

  private takeOffline(page: number | 'zero'): number {
    if (page === 'zero') return this.softOffline.softOfflineZeroPage();
    this.folios.put(this.table.head(page));
    return this.softOffline.softOfflinePage(page);
  }
}
export const InjectErrorToken = createToken<InjectError>('InjectError');
