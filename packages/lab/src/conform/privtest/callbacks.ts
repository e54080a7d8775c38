import {
  ENOSPC,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  type HookOps,
  type Migrate,
  MigrateToken,
  type PageAlloc,
  PageAllocToken,
  type Services,
  VM_FAULT_SIGBUS,
} from '@mm-lab/mm-core';
import { GFP_PRIVATE, type NodePrivateOps } from '@mm-lab/node-private';
import { Counters } from './counters.js';

/** Which callbacks a command asks for. */
const CALLBACK_BITS = {
  free_folio: 1,
  folio_split: 2,
  migrate_to: 4,
  folio_migrate: 8,
  handle_fault: 16,
  reclaim_policy: 32,
  memory_failure: 64,
} as const;

/** What the callbacks answer (command `mode`). */
export interface Mode {
  /** migrate_to says -ENOSPC. */
  readonly refuses: boolean;
  /** free_folio keeps folios. */
  readonly keeps: boolean;
  /** Answer of CRAM's flush callback. */
  readonly flushAnswer: number;
}

/** The callbacks of the test driver: they count, and answer as the mode says. */
export class Callbacks {
  counters = new Counters();
  mode: Mode = { refuses: false, keeps: false, flushAnswer: 0 };
  private readonly kept: number[] = [];
  private releasing = false;
  private readonly table: FolioTable;
  private readonly folios: Folios;
  private readonly migrate: Migrate;
  private readonly pageAlloc: PageAlloc;

  constructor(services: Services) {
    this.table = services.get(FolioTableToken);
    this.folios = services.get(FoliosToken);
    this.migrate = services.get(MigrateToken);
    this.pageAlloc = services.get(PageAllocToken);
    this.folios.addHolder(() => this.kept);
  }

  /** @param bits of `CALLBACK_BITS` */
  opsOf(flags: number, bits: number): NodePrivateOps {
    const all = this.all();
    const has = (name: keyof HookOps): boolean => (bits & CALLBACK_BITS[name]) !== 0;
    return {
      flags,
      ...(has('free_folio') && { free_folio: all.free_folio }),
      ...(has('folio_split') && { folio_split: all.folio_split }),
      ...(has('migrate_to') && { migrate_to: all.migrate_to }),
      ...(has('folio_migrate') && { folio_migrate: all.folio_migrate }),
      ...(has('handle_fault') && { handle_fault: all.handle_fault }),
      ...(has('reclaim_policy') && { reclaim_policy: all.reclaim_policy }),
      ...(has('memory_failure') && { memory_failure: all.memory_failure }),
    };
  }

  /** CRAM's scrub. */
  flush(folio: number): number {
    this.counters.flush++;
    if (this.releasing) {
      this.counters.flushSecond++;
      return 0;
    }
    if (this.mode.flushAnswer === 1) this.keep(folio);
    return this.mode.flushAnswer;
  }

  /** Folios that the driver keeps. */
  get deferred(): number {
    return this.kept.length;
  }

  /** Drops the references to what was kept. @returns how many */
  release(): number {
    const folios = this.kept.splice(0);
    this.releasing = true;
    for (const folio of folios) this.folios.put(folio);
    this.releasing = false;
    return folios.length;
  }

  private all(): HookOps {
    const count = (name: 'migrated' | 'fault' | 'policy' | 'memoryFailure'): void => {
      this.counters[name]++;
    };
    return {
      free_folio: (folio) => this.freeFolio(folio),
      folio_split: (_orig, fresh) => {
        if (fresh < 0) this.counters.splitLast++;
        else this.counters.splitNew++;
      },
      migrate_to: (list, nid, mode, reason) => this.migrateTo(list, { nid, mode, reason }),
      folio_migrate: () => count('migrated'),
      handle_fault: (_folio, vmf) => {
        count('fault');
        vmf.unlock();
        return VM_FAULT_SIGBUS;
      },
      reclaim_policy: (_nid, policy) => {
        count('policy');
        policy.may_swap = true;
        policy.may_writepage = true;
        policy.managed_watermarks = true;
      },
      memory_failure: () => count('memoryFailure'),
    };
  }

  private freeFolio(folio: number): boolean {
    this.counters.free++;
    if (!this.mode.keeps || this.releasing) return false;
    this.keep(folio);
    return true;
  }

  private keep(folio: number): void {
    this.folios.resurrect(folio);
    this.kept.push(folio);
  }

  private migrateTo(list: number[], to: { nid: number; mode: number; reason: number }): number {
    this.counters.migrateToCalls++;
    this.counters.migrateToFolios += list.length;
    if (this.mode.refuses) return -ENOSPC;
    const gfp = GFP_HIGHUSER_MOVABLE | GFP_PRIVATE;
    return this.migrate.migratePages(list, {
      mode: to.mode,
      reason: to.reason,
      newFolio: (src) => {
        const order = this.table.order[src] ?? 0;
        return this.pageAlloc.alloc({ gfp, order, nid: to.nid, nodemask: null });
      },
    }).rc;
  }
}
