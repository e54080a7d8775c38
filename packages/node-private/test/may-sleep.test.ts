import { GFP_KERNEL, MR_SYSCALL } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { type NodePrivateOps, NP_OPS_MIGRATION } from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const NID = 2;
const OTHER = 3;
const np = { name: 'sleeper' };

/** Everything that may wait. */
const WAITS: Readonly<Record<string, (made: PrivateMachine) => void>> = {
  'an allocation': ({ machine: { pageAlloc, folios } }) => {
    folios.put(pageAlloc.alloc({ gfp: GFP_KERNEL, order: 0, nid: 0, nodemask: null }));
  },
  lru_add_drain_all: ({ machine }) => machine.folios.lruAddDrainAll(),
  migrate_pages: ({ machine }) => {
    machine.migrate.migratePages([], { newFolio: () => -1, mode: 0, reason: MR_SYSCALL });
  },
  'a batch of migrations': ({ machine }) => machine.migrate.waitForBatches(),
  'node_private_lock, to register': ({ nodes }) => {
    nodes.node_private_register(OTHER, np);
  },
  'node_private_lock, to set ops': ({ nodes }) => {
    nodes.node_private_set_ops(NID, { flags: 0 });
  },
  'node_private_lock, to clear ops': ({ nodes }) => {
    nodes.node_private_clear_ops(NID, { flags: 0 });
  },
  'node_private_lock, to unregister': ({ nodes }) => {
    nodes.node_private_unregister(OTHER);
  },
};

/** A private node with these callbacks. */
function served(callbacks: (made: PrivateMachine) => Partial<NodePrivateOps>): PrivateMachine {
  const made = machineOf();
  made.hotplug.add_private_memory_driver_managed(NID, np, null);
  const ops = { migrate_to: () => 0, folio_migrate: () => undefined, ...callbacks(made) };
  made.nodes.node_private_set_ops(NID, { flags: NP_OPS_MIGRATION, ...ops });
  return made;
}

const baseOf = ({ machine }: PrivateMachine): number => machine.nodes.pgdat(NID).base;

test.for(Object.entries(WAITS))('%s is told in a callback that may not sleep', ([what, wait]) => {
  const made = served((self) => ({ folio_split: () => wait(self) }));
  const base = baseOf(made);
  const split = (): void => made.machine.managed.folio_managed_split_cb(0, base, base + 1);
  const [lock] = what.split(',');
  expect(split).toThrow(new RegExp(`sleeper: a callback slept .* in folio_split: ${lock}`));
});

test.for(Object.entries(WAITS))('%s is nothing to tell in one that may', ([, wait]) => {
  let waited = 0;
  const made = served((self) => ({
    memory_failure: () => {
      wait(self);
      waited++;
    },
  }));
  const base = baseOf(made);
  made.machine.managed.folio_managed_memory_failure(0, base, base, 0);
  expect(waited).toBe(1);
  made.machine.verify();
});

test('what runs inside a callback that may not sleep may not either', () => {
  const made = served((self) => ({
    folio_split: (orig) => self.machine.managed.folio_managed_migrate_notify(0, orig, 1),
    folio_migrate: () => self.machine.folios.lruAddDrainAll(),
  }));
  const base = baseOf(made);
  expect(() => made.machine.managed.folio_managed_split_cb(0, base, base + 1)).toThrow(
    /a callback slept .* in folio_split/,
  );
});
