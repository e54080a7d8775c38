import {
  type HookName,
  LEVEL_PTE,
  MR_SYSCALL,
  type Task,
  VM_FAULT_SIGBUS,
  zramSwap,
} from '@mm-lab/mm-core';
import { InterruptsToken, type NodePrivateOps, type NodePrivateOptions } from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

/** The private node. */
export const C = 2;
/** Pages of a huge page. */
export const HUGE = 512;
/** Pages of a task that has no huge page. */
export const FEW = 4;

const THP = '/sys/kernel/mm/transparent_hugepage/enabled';

/** How a site comes to call its callback. */
export interface CallbackStory {
  /** What the node opts in to. */
  readonly flags: number;
  readonly options?: NodePrivateOptions;
  /** Pages of the task, in DRAM; 512 are one huge page. */
  readonly pages?: number;
  /** What comes before calls are noted. */
  readonly before?: (world: SpiedWorld) => void;
  readonly tell: (world: SpiedWorld) => void;
  /** The calls of the callback, in words. */
  readonly calls: readonly string[];
  /** What is said if the callback sleeps, moment by moment. */
  readonly sleeps: readonly SleepMoment[];
}

/** A moment at which a callback may sleep or not. */
export interface SleepMoment {
  /** In words, for the name of the test. */
  readonly when: string;
  /** What is said if it sleeps then; null: it may. */
  readonly says: RegExp | null;
  /** How the callback runs, where that is not as a task calls it. */
  readonly how?: 'in an interrupt' | 'after the unlock';
}

/** A machine whose node C is served by a spy, and a task with all its pages in DRAM. */
export interface SpiedWorld extends PrivateMachine {
  readonly task: Task;
  readonly pages: number;
}

/** A service that notes each call of one callback. */
export class Spy {
  readonly calls: string[] = [];
  readonly world: SpiedWorld;
  /** Runs in the callback. */
  act: () => void = () => undefined;
  /** When does handle_fault release the page-table lock? */
  unlocks: 'first' | 'last' = 'last';
  /** What the service's opting in answered. */
  readonly opted: number;
  private isOn = false;

  constructor(
    private readonly hook: HookName,
    { options = {}, pages = FEW, flags, before }: CallbackStory,
    private readonly callback: 'there' | 'left out' = 'there',
  ) {
    const swap = zramSwap({ pages: 4096, codec: 'lz4' });
    const made = machineOf(1, options, [swap], 4 * HUGE);
    const { machine, nodes, hotplug } = made;
    if (pages === HUGE) machine.pseudoFiles.write(THP, 'always');
    hotplug.add_private_memory_driver_managed(C, { name: 'spy' }, null);
    this.opted = nodes.node_private_set_ops(C, { flags, ...this.ops(made) });
    machine.tiers.refresh();
    const task = machine.createTask('t');
    task.mmap(0, pages);
    for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
    machine.folios.lruAddDrainAll();
    this.world = { ...made, task, pages };
    before?.(this.world);
    machine.folios.lruAddDrainAll();
    this.isOn = true;
  }

  /** Runs something as an interrupt. */
  interrupt(part: () => void): void {
    this.world.service(InterruptsToken).run(part);
  }

  private ops(made: PrivateMachine): Omit<NodePrivateOps, 'flags'> {
    const { nodes, table } = made.machine;
    const moving = made.moving();
    const all: Required<Omit<NodePrivateOps, 'flags' | 'handle_fault_vmf'>> = {
      free_folio: (folio) => {
        this.note('free_folio', `${table.nrPages(folio)} pages, count ${table.refcount[folio]}`);
        return false;
      },
      folio_split: (orig, fresh) => {
        const part = fresh < 0 ? 'the original' : `part ${fresh - orig}`;
        const counts = [orig, ...(fresh < 0 ? [] : [fresh])].map((pfn) => table.refcount[pfn]);
        this.note('folio_split', `${part}, count ${counts.join(' ')}`);
      },
      migrate_to: (list, nid, mode, reason) => {
        const why = reason === MR_SYSCALL ? 'a call' : 'demotion';
        this.note('migrate_to', `${list.length} folios to ${nid} for ${why}`);
        return moving.migrate_to(list, nid, mode, reason);
      },
      folio_migrate: (src, dst) => {
        this.note('folio_migrate', `from ${nodes.nidOf(src)} to ${nodes.nidOf(dst)}`);
      },
      handle_fault: (_folio, vmf, level) => {
        if (this.unlocks === 'first') vmf.unlock();
        this.note('handle_fault', `a ${level === LEVEL_PTE ? 'PTE' : 'PMD'}`);
        if (this.unlocks === 'last') vmf.unlock();
        return VM_FAULT_SIGBUS;
      },
      reclaim_policy: (nid, policy) => {
        this.note('reclaim_policy', `node ${nid}, ${Object.values(policy).join(' ')}`);
      },
      memory_failure: (folio, pfn) => this.note('memory_failure', `page ${pfn - folio}`),
    };
    if (this.callback === 'there') return all;
    const { [this.hook]: _, ...others } = all;
    return others;
  }

  private note(hook: HookName, what: string): void {
    if (!this.isOn || hook !== this.hook) return;
    this.calls.push(what);
    this.act();
  }
}
