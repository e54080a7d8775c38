import { ENODEV } from '../abi/errno.js';
import { createToken } from '../base/di.js';
import type { HookName, NodeReclaimPolicy } from './contracts.js';
import { MmError } from './errors.js';
import type { Owner } from './owner.js';
import type { VmFault } from './vm-fault.js';

/**
 * Dispatch to an owner's callbacks, with the absent case decided: ordinary memory has no owner, and
 * an owner need not have a callback. Counts the calls.
 */
export class Callbacks {
  private readonly countByHook = new Map<HookName, number>();
  /** The owner whose `reclaim_policy` is under way: it holds RCU, so nothing in it may sleep. */
  private underRcu: Owner | null = null;

  /** Calls per hook so far. */
  counts(): ReadonlyMap<HookName, number> {
    return this.countByHook;
  }

  /** True if the owner took care of the folio. */
  free_folio(owner: Owner | null, folio: number): boolean {
    if (owner === null || !owner.has('free_folio')) return false;
    return this.call(owner, 'free_folio', () => owner.ops.free_folio(folio));
  }

  folio_split(owner: Owner | null, orig: number, fresh: number): void {
    if (owner === null || !owner.has('folio_split')) return;
    this.call(owner, 'folio_split', () => owner.ops.folio_split(orig, fresh));
  }

  /** 0, the number not moved, or -errno; -ENODEV without the callback. */
  migrate_to(owner: Owner | null, folios: number[], move: MoveTo): number {
    if (!owner?.has('migrate_to')) return -ENODEV;
    const { nid, mode, reason } = move;
    return this.call(owner, 'migrate_to', () => owner.ops.migrate_to(folios, nid, mode, reason));
  }

  folio_migrate(owner: Owner | null, src: number, dst: number): void {
    if (owner === null || !owner.has('folio_migrate')) return;
    this.call(owner, 'folio_migrate', () => owner.ops.folio_migrate(src, dst));
  }

  /** VM_FAULT_* bits, or -1 if nobody takes the fault. */
  handle_fault(owner: Owner | null, folio: number, vmf: VmFault, level: number): number {
    if (owner === null || !owner.has('handle_fault')) return -1;
    return this.call(owner, 'handle_fault', () => owner.ops.handle_fault(folio, vmf, level));
  }

  /** The owner's policy; not active without the callback. */
  reclaim_policy(owner: Owner | null, nid: number): NodeReclaimPolicy {
    const policy = {
      active: false,
      may_swap: false,
      may_writepage: false,
      managed_watermarks: false,
    };
    if (owner?.has('reclaim_policy')) {
      this.underRcu = owner;
      try {
        this.call(owner, 'reclaim_policy', () => owner.ops.reclaim_policy(nid, policy));
      } finally {
        this.underRcu = null;
      }
      policy.active = true;
    }
    return policy;
  }

  /** Whoever may wait says so first (might_sleep). @throws MmError SLEPT_UNDER_RCU */
  mightSleep(what: string): void {
    if (this.underRcu === null) return;
    const plugin = this.underRcu.name;
    throw new MmError('SLEPT_UNDER_RCU', { plugin, hook: 'reclaim_policy', detail: what });
  }

  memory_failure(owner: Owner | null, folio: number, pfn: number, flags: number): void {
    if (owner === null || !owner.has('memory_failure')) return;
    this.call(owner, 'memory_failure', () => owner.ops.memory_failure(folio, pfn, flags));
  }

  private call<T>(owner: Owner, hook: HookName, run: () => T): T {
    this.countByHook.set(hook, (this.countByHook.get(hook) ?? 0) + 1);
    try {
      return run();
    } catch (cause) {
      if (cause instanceof MmError) throw cause;
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new MmError('PLUGIN_THREW', { plugin: owner.name, hook, detail, cause });
    }
  }
}
export const CallbacksToken = createToken<Callbacks>('Callbacks');

/** Where folios shall go, how hard to try, and why (MIGRATE_*, MR_*). */
export interface MoveTo {
  readonly nid: number;
  readonly mode: number;
  readonly reason: number;
}
