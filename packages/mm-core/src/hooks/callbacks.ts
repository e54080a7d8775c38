import { ENODEV } from '../abi/errno.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { HookName, NodeReclaimPolicy } from './contracts.js';
import { MmError } from './errors.js';
import type { Owner } from './owner.js';
import { type StrayFolios, StrayFoliosToken } from './stray-folios.js';
import type { VmFault } from './vm-fault.js';

/**
 * Dispatch to an owner's callbacks, with the absent case decided: ordinary memory has no owner, and
 * an owner need not have a callback. Counts the calls.
 */
@injectable()
export class Callbacks {
  private readonly countByHook = new Map<HookName, number>();
  /** Callbacks under way, the innermost last. */
  private readonly frames: Frame[] = [];
  /** Interrupt handlers and holders of spin locks under way. */
  private atomicDepth = 0;

  constructor(@inject(StrayFoliosToken) private readonly strays: StrayFolios) {}

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
    const frame = { plugin: owner.name, hook: 'folio_split', forbids: FROZEN } as const;
    this.callIn(frame, () => owner.ops.folio_split(orig, fresh));
  }

  /**
   * 0, the number not moved, or -errno; -ENODEV without the callback. @throws MmError PLUGIN_ANSWER
   * for another answer, or for 0 with folios left over, which nobody would put back;
   * FOLIOS_LOST if folios left the list and went nowhere
   */
  migrate_to(owner: Owner | null, folios: number[], move: MoveTo): number {
    if (!owner?.has('migrate_to')) return -ENODEV;
    const { nid, mode, reason } = move;
    const hook = 'migrate_to';
    const given = [...folios];
    const rc = this.call(owner, hook, () => owner.ops.migrate_to(folios, nid, mode, reason));
    this.checkLost(owner.name, given, folios);
    const isFine = Number.isInteger(rc) && (rc !== 0 || folios.length === 0);
    if (isFine) return rc;
    const detail = `${rc}, with ${folios.length} folios left in the list`;
    throw new MmError('PLUGIN_ANSWER', { plugin: owner.name, hook, detail });
  }

  private checkLost(plugin: string, given: readonly number[], kept: readonly number[]): void {
    const stay = new Set(kept);
    const lost = given.filter((folio) => !stay.has(folio) && this.strays.isStray(folio));
    if (lost.length === 0) return;
    const detail = `${lost.length} of ${given.length} folios`;
    throw new MmError('FOLIOS_LOST', { plugin, hook: 'migrate_to', detail });
  }

  folio_migrate(owner: Owner | null, src: number, dst: number): void {
    if (owner === null || !owner.has('folio_migrate')) return;
    this.call(owner, 'folio_migrate', () => owner.ops.folio_migrate(src, dst));
  }

  /**
   * VM_FAULT_* bits, or -1 if nobody takes the fault. @throws MmError PTL_HELD, or PLUGIN_ANSWER
   * for what are no such bits
   */
  handle_fault(owner: Owner | null, folio: number, vmf: VmFault, level: number): number {
    if (owner === null || !owner.has('handle_fault')) return -1;
    const forbids = (): string | null => (vmf.ptlHeld ? 'the page-table lock is held' : null);
    const whose = { plugin: owner.name, hook: 'handle_fault' } as const;
    const bits = this.callIn({ ...whose, forbids }, () => {
      return owner.ops.handle_fault(folio, vmf, level);
    });
    if (vmf.ptlHeld) throw new MmError('PTL_HELD', whose);
    if (Number.isInteger(bits) && bits >= 0) return bits;
    throw new MmError('PLUGIN_ANSWER', { ...whose, detail: `${bits}` });
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
      const frame = { plugin: owner.name, hook: 'reclaim_policy', forbids: UNDER_RCU } as const;
      this.callIn(frame, () => owner.ops.reclaim_policy(nid, policy));
      policy.active = true;
    }
    return policy;
  }

  /**
   * Whoever may wait says so first (might_sleep). A callback inside another, or in an interrupt,
   * may do no more than what is around it.
   * @throws MmError SLEPT_IN_ATOMIC
   */
  mightSleep(what: string): void {
    const innermost = this.frames.at(-1);
    if (innermost === undefined) return;
    const { plugin } = innermost;
    for (const { hook, forbids } of [...this.frames].reverse()) {
      const why = forbids();
      if (why === null) continue;
      throw new MmError('SLEPT_IN_ATOMIC', { plugin, hook, detail: `${what}: ${why}` });
    }
    if (this.atomicDepth === 0) return;
    const detail = `${what}: an interrupt is served or a spin lock held`;
    throw new MmError('SLEPT_IN_ATOMIC', { plugin, hook: innermost.hook, detail });
  }

  /** Runs what an interrupt handler does, or the holder of a spin lock: callbacks may not sleep. */
  runAtomic<T>(part: () => T): T {
    this.atomicDepth++;
    try {
      return part();
    } finally {
      this.atomicDepth--;
    }
  }

  memory_failure(owner: Owner | null, folio: number, pfn: number, flags: number): void {
    if (owner === null || !owner.has('memory_failure')) return;
    this.call(owner, 'memory_failure', () => owner.ops.memory_failure(folio, pfn, flags));
  }

  private call<T>(owner: Owner, hook: HookName, run: () => T): T {
    return this.callIn({ plugin: owner.name, hook, forbids: NOTHING }, run);
  }

  private callIn<T>(frame: Frame, run: () => T): T {
    const { plugin, hook } = frame;
    this.countByHook.set(hook, (this.countByHook.get(hook) ?? 0) + 1);
    this.frames.push(frame);
    try {
      return run();
    } catch (cause) {
      if (cause instanceof MmError) throw cause;
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new MmError('PLUGIN_THREW', { plugin, hook, detail, cause });
    } finally {
      this.frames.pop();
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

/** A callback under way, and why nothing in it may sleep now; null: it may. */
interface Frame {
  /** Whose it is, for messages. */
  readonly plugin: string;
  readonly hook: HookName;
  readonly forbids: () => string | null;
}

const NOTHING = (): null => null;
const FROZEN = (): string => 'the folios are frozen and interrupts are off';
const UNDER_RCU = (): string => 'RCU is held';
