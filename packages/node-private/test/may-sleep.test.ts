import { LEVEL_PTE, type Machine, MR_SYSCALL, type VmFault } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  __GFP_PRIVATE,
  type Interrupts,
  InterruptsToken,
  type NodePrivateOps,
  NP_OPS_MIGRATION,
} from '../src/index.js';
import { machineOf } from './support.js';

const NID = 2;

interface Made {
  readonly machine: Machine;
  readonly interrupts: Interrupts;
  /** First page of a folio of order 2 on the node, which its caller holds. */
  readonly folio: number;
  readonly sleep: () => void;
}

/** A private node whose service has these callbacks; `sleep` waits for all CPUs. */
function made(callbacks: (made: () => Made) => Partial<NodePrivateOps>, flags = 0): Made {
  const { machine, nodes, hotplug, service } = machineOf();
  hotplug.add_private_memory_driver_managed(NID, { name: 'sleeper' }, null);
  let self: Made | null = null;
  const found = (): Made => {
    if (self === null) throw new Error('a callback came before the machine was made');
    return self;
  };
  nodes.node_private_set_ops(NID, { flags, ...callbacks(found) });
  const folio = machine.pageAlloc.alloc({
    gfp: __GFP_PRIVATE,
    order: 2,
    nid: NID,
    nodemask: new Set([NID]),
  });
  const sleep = (): void => machine.folios.lruAddDrainAll();
  self = { machine, interrupts: service(InterruptsToken), folio, sleep };
  return self;
}

test('free_folio may sleep, but not where the last reference goes in an interrupt', () => {
  const { machine, interrupts, folio } = made((self) => ({
    free_folio: () => {
      self().sleep();
      return false;
    },
  }));
  const other = machine.pageAlloc.alloc({
    gfp: __GFP_PRIVATE,
    order: 0,
    nid: NID,
    nodemask: new Set([NID]),
  });
  machine.folios.put(other);
  expect(() => interrupts.run(() => machine.folios.put(folio))).toThrow(
    /sleeper: a callback slept .* in free_folio.*interrupt/,
  );
});

test('folio_split may not sleep: the folios are frozen', () => {
  const { machine, folio } = made((self) => ({ folio_split: () => self().sleep() }));
  expect(() => machine.managed.folio_managed_split_cb(0, folio, folio + 1)).toThrow(
    /a callback slept .* in folio_split.*frozen/,
  );
});

test('folio_migrate may sleep: folio locks let it', () => {
  const { machine, folio } = made((self) => ({ folio_migrate: () => self().sleep() }));
  expect(() => machine.managed.folio_managed_migrate_notify(0, folio, 1)).not.toThrow();
});

test('memory_failure may sleep', () => {
  const { machine, folio } = made((self) => ({ memory_failure: () => self().sleep() }));
  expect(() => machine.managed.folio_managed_memory_failure(0, folio, folio, 0)).not.toThrow();
});

test('migrate_to may sleep, unless it is called where nothing may', () => {
  const { machine, interrupts } = made(
    (self) => ({
      folio_migrate: () => undefined,
      migrate_to: () => {
        self().sleep();
        return 0;
      },
    }),
    NP_OPS_MIGRATION,
  );
  const call = (): number => machine.managed.node_private_migrate_to([], NID, 0, MR_SYSCALL);
  expect(call()).toBe(0);
  expect(() => interrupts.run(call)).toThrow(/a callback slept .* in migrate_to/);
});

test('handle_fault may sleep once it has released the page-table lock, not before', () => {
  const { machine, folio } = made((self) => ({
    handle_fault: (_folio, vmf) => {
      if (!vmf.write) vmf.unlock();
      self().sleep();
      return 0;
    },
  }));
  const fault = (write: boolean): VmFault => {
    let ptlHeld = true;
    return {
      ...{ mmId: 1, vpn: 0, slot: 0, write, nid: 0, bits: 0, value: folio },
      get ptlHeld() {
        return ptlHeld;
      },
      unlock: () => {
        ptlHeld = false;
      },
    };
  };
  const handle = (write: boolean): number =>
    machine.managed.folio_managed_handle_fault(0, folio, fault(write), LEVEL_PTE);
  expect(handle(false)).toBe(0);
  expect(() => handle(true)).toThrow(/a callback slept .* in handle_fault.*page-table lock/);
});

test('what runs inside a callback that may not sleep may not either', () => {
  const { machine, folio } = made((self) => ({
    folio_split: () => self().machine.managed.folio_managed_migrate_notify(0, self().folio, 1),
    folio_migrate: () => self().sleep(),
  }));
  expect(() => machine.managed.folio_managed_split_cb(0, folio, folio + 1)).toThrow(
    /a callback slept .* in folio_split/,
  );
});
