import { type Machine, MmError, N_MEMORY, N_MEMORY_PRIVATE } from '@mm-lab/mm-core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  __GFP_PRIVATE,
  type NodePrivateOps,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_RECLAIM,
} from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const NID = 2;
const PAGES = 64;
const drivers = [{ name: 'a' }, { name: 'b' }] as const;

type Step =
  | 'register'
  | 'other registers'
  | 'add'
  | 'set ops'
  | 'clear ops'
  | 'stranger clears'
  | 'move in'
  | 'move out'
  | 'sleep'
  | 'remove'
  | 'unregister';

/** A node's life in random order, with what must hold at every moment. */
class Life {
  private readonly made: PrivateMachine = machineOf();
  private readonly machine: Machine = this.made.machine;
  private readonly task = this.machine.createTask('t');
  private readonly ops: NodePrivateOps;
  /** Calls of callbacks, and those that came when nobody was registered. */
  private orphaned = 0;

  constructor() {
    this.task.mmap(0, PAGES);
    for (let vpn = 0; vpn < PAGES; vpn++) this.task.write(vpn);
    const { machine } = this;
    this.ops = {
      flags: NP_OPS_MIGRATION | NP_OPS_DEMOTION | NP_OPS_RECLAIM,
      migrate_to: (list, nid, mode, reason) => {
        this.noteCall();
        const newFolio = (): number => {
          const gfp = __GFP_PRIVATE;
          return machine.pageAlloc.alloc({ gfp, order: 0, nid, nodemask: new Set([nid]) });
        };
        return machine.migrate.migratePages(list, { newFolio, mode, reason }).rc;
      },
      folio_migrate: () => this.noteCall(),
      free_folio: () => {
        this.noteCall();
        return false;
      },
    };
  }

  run(step: Step): void {
    const { nodes, hotplug } = this.made;
    const vpns = Array.from({ length: PAGES }, (_, vpn) => vpn);
    const wasOnline = this.isPrivate();
    const hadOps = nodes.opsOf(NID) !== null;
    if (step === 'register') nodes.node_private_register(NID, drivers[0]);
    if (step === 'other registers') nodes.node_private_register(NID, drivers[1]);
    if (step === 'add') hotplug.add_private_memory_driver_managed(NID, drivers[0], null);
    if (step === 'set ops') nodes.node_private_set_ops(NID, this.ops);
    if (step === 'clear ops') nodes.node_private_clear_ops(NID, this.ops);
    if (step === 'move in') this.task.movePages(vpns, NID);
    if (step === 'move out') this.task.movePages(vpns, 0);
    if (step === 'sleep') this.machine.sleep(1e8);
    if (step === 'remove') hotplug.offline_and_remove_private_memory(NID);
    if (step === 'unregister') {
      const rc = nodes.node_private_unregister(NID);
      expect(rc < 0).toBe(wasOnline);
    }
    if (step === 'stranger clears') {
      expect(nodes.node_private_clear_ops(NID, { flags: 0 })).toBeLessThan(0);
      expect(nodes.opsOf(NID) !== null).toBe(hadOps);
    }
    this.check();
  }

  private noteCall(): void {
    if (this.made.nodes.refsOf(NID) < 1) this.orphaned++;
  }

  private isPrivate(): boolean {
    return this.machine.nodes.hasState(NID, N_MEMORY_PRIVATE);
  }

  private check(): void {
    const { machine, made } = this;
    const isRegistered = made.nodes.refsOf(NID) > 0;
    expect(machine.nodes.hasState(NID, N_MEMORY) && this.isPrivate()).toBe(false);
    if (this.isPrivate()) expect(isRegistered).toBe(true);
    if (!isRegistered) expect(made.nodes.opsOf(NID)).toBe(null);
    if (!machine.migrate.busy() && isRegistered) expect(made.nodes.refsOf(NID)).toBe(1);
    expect(this.orphaned).toBe(0);
    for (let vpn = 0; vpn < PAGES; vpn++) expect(this.task.read(vpn)).toBe('ok');
    machine.verify();
  }
}

const STEPS: readonly Step[] = [
  'register',
  'other registers',
  'add',
  'set ops',
  'clear ops',
  'stranger clears',
  'move in',
  'move out',
  'sleep',
  'remove',
  'unregister',
];

test('whatever the order and the moment, a node’s life keeps its rules', () => {
  const life = fc.array(fc.constantFrom(...STEPS), { minLength: 5, maxLength: 40 });
  fc.assert(
    fc.property(life, (steps) => {
      const world = new Life();
      for (const step of steps) world.run(step);
    }),
    { numRuns: 40, seed: 4 },
  );
});

test('unregistering from inside migrate_to is told: it would wait for itself', () => {
  const { machine, nodes } = machineOf();
  nodes.node_private_register(NID, drivers[0]);
  const list: number[] = [];
  nodes.node_private_set_ops(NID, {
    flags: NP_OPS_MIGRATION,
    folio_migrate: () => undefined,
    migrate_to: () => nodes.node_private_unregister(NID),
  });
  expect(() => machine.managed.node_private_migrate_to(list, NID, 0, 0)).toThrow(MmError);
});

test('a reclaim_policy that sleeps is told where', () => {
  const { machine, nodes, hotplug } = machineOf();
  hotplug.add_private_memory_driver_managed(NID, drivers[0], null);
  nodes.node_private_set_ops(NID, {
    flags: NP_OPS_RECLAIM,
    reclaim_policy: () => machine.folios.lruAddDrainAll(),
  });
  expect(() => machine.watermarks.setup()).toThrow(/a: a callback slept .* in reclaim_policy/);
});

test('a range that cannot be added leaves its node unregistered', () => {
  const block = 32768;
  const { machine, hotplug, nodes } = machineOf();
  const answers = [
    hotplug.add_private_range(9, drivers[0], { base: 0, pages: block, onlineType: 'online' }),
    hotplug.add_private_range(NID, null, { base: 0, pages: block, onlineType: 'online' }),
    hotplug.add_private_range(NID, drivers[0], { base: 0, pages: 1, onlineType: 'online' }),
  ];
  expect(answers.every((rc) => rc < 0)).toBe(true);
  expect(nodes.refsOf(NID)).toBe(-1);
  machine.verify();
});
