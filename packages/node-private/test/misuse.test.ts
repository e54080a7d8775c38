import { createMachine, EINVAL, type Plugin } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  type NodePrivateOps,
  NodePrivateToken,
  NP_OPS_MIGRATION,
  NP_OPS_PROTECT_WRITE,
  nodePrivate,
} from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const C = 2;
const np = { name: 'careless' };

/** What a driver without types can do. */
function given<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value));
}

describe('options are checked, as experiments run without their types', () => {
  const wrong: readonly [string, unknown, RegExp][] = [
    ['a mend', { teardown: 'mend' }, /teardown is 'mend', none of v4, mended/],
    ['a name', { tearDown: 'mended' }, /there is no option tearDown/],
    ['a profile', { profile: 'v6' }, /profile is 'v6', none of v4-ops, v5-caps/],
    ['a gate', { gate: 'flag' }, /gate is 'flag', none of gfp-private/],
    [
      'a divergence',
      { divergences: { D77: 'text' } },
      /there is no option D77; known are oomEligible, D1/,
    ],
    ['a reading', { divergences: { D1: 'txt' } }, /divergence D1 is 'txt', none of text, code/],
  ];

  test.for(wrong)('%s', ([, options, message]) => {
    expect(() => nodePrivate(given(options))).toThrow(message);
  });
});

/** The same for what JSON cannot carry. */
function untyped<T>(value: unknown): T {
  const [found]: T[] = [].concat(Object(value));
  if (found === undefined) throw new Error('there is a value');
  return found;
}

/** A node whose service answers as told. */
function served(ops: Partial<NodePrivateOps>) {
  const made = machineOf();
  const { machine, nodes, hotplug } = made;
  hotplug.add_private_memory_driver_managed(C, np, null);
  const flags = NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE;
  const moving = { migrate_to: () => -EINVAL, folio_migrate: () => undefined };
  nodes.node_private_set_ops(C, { flags, ...moving, ...ops });
  const task = machine.createTask('t');
  task.mmap(0, 2);
  task.write(0);
  task.write(1);
  machine.folios.lruAddDrainAll();
  return { ...made, task };
}

describe('what a callback answers is looked at', () => {
  const answers: readonly [string, unknown, RegExp][] = [
    ['nothing', null, /careless: a callback answered .* in migrate_to: null, with 2 folios/],
    ['a part of a folio', 1.5, /in migrate_to: 1.5/],
    ['that all moved', 0, /in migrate_to: 0, with 2 folios left in the list/],
  ];

  test.for(answers)('migrate_to says %s', ([, answer, message]) => {
    const { task } = served({ migrate_to: () => given(answer) });
    expect(() => task.movePages([0, 1], C)).toThrow(message);
  });

  test('handle_fault keeps the lock, or answers no bits', () => {
    const { machine, nodes } = served({});
    const fault = (handle_fault: NonNullable<NodePrivateOps['handle_fault']>): void => {
      nodes.node_private_set_ops(C, { flags: 0, handle_fault });
      let ptlHeld = true;
      const vmf = {
        ...{ mmId: 1, vpn: 0, slot: 0, write: true, nid: 0, bits: 0, value: 0 },
        get ptlHeld() {
          return ptlHeld;
        },
        unlock: () => {
          ptlHeld = false;
        },
      };
      machine.managed.folio_managed_handle_fault(0, machine.nodes.pgdat(C).base, vmf, 0);
    };
    expect(() => fault(() => 0)).toThrow(/returned with the page-table lock held in handle_fault/);
    expect(() =>
      fault((_folio, vmf) => {
        vmf.unlock();
        return -EINVAL;
      }),
    ).toThrow(/answered what no caller can use in handle_fault: -22/);
  });
});

describe('what becomes of the folios of migrate_to is looked at', () => {
  type List = (folios: number[], made: PrivateMachine) => number;

  /** Two pages are to move; the callback does with their folios what it likes. */
  function moved(list: List): () => unknown {
    const made: ReturnType<typeof served> = served({ migrate_to: (folios) => list(folios, made) });
    return () => {
      const { rc } = made.task.movePages([0, 1], C);
      made.machine.verify();
      return rc;
    };
  }

  test('one that empties its list and moves nothing is told', () => {
    for (const answer of [0, 2, -EINVAL]) {
      const emptied = moved((folios) => {
        folios.splice(0);
        return answer;
      });
      expect(emptied).toThrow(
        /careless: .*neither moved nor were put back in migrate_to: 2 of 2 folios\. Leave/,
      );
    }
  });

  test('one that loses a part is told how much', () => {
    expect(
      moved((folios) => {
        folios.pop();
        return folios.length;
      }),
    ).toThrow(/1 of 2 folios/);
  });

  test('what is put back, or under way until later, is not lost', () => {
    const back: List = (folios, { machine }) => {
      for (const folio of folios.splice(0)) machine.folios.putbackLru(folio);
      return 2;
    };
    const later: List = (folios, { machine }) => {
      const mine = folios.splice(0);
      machine.migrate.hold(mine, 1000, () => {
        for (const folio of mine) machine.folios.putbackLru(folio);
      });
      return mine.length;
    };
    expect([moved(back)(), moved(later)()]).toEqual([2, 2]);
  });
});

describe('ops that mm would not take as they are meant are refused', () => {
  const moving = { migrate_to: () => 0, folio_migrate: () => undefined };
  class Driver {
    readonly flags = 0;
    scrub(): boolean {
      return true;
    }
    free_folo(): boolean {
      return this.scrub();
    }
  }
  const wrong: readonly [string, unknown, RegExp][] = [
    [
      'a misspelt callback',
      { flags: 0, reclaim_polcy: () => undefined },
      /careless: .*there is no callback reclaim_polcy; did you mean reclaim_policy\? Known are/,
    ],
    [
      'a callback of nowhere',
      { flags: 0, on_write: () => 0 },
      /there is no callback on_write\. Known are free_folio, .*memory_failure, handle_fault_vmf/,
    ],
    ['a misspelt method', new Driver(), /no callback free_folo; did you mean free_folio\?/],
    [
      'flags that are no number',
      { flags: Number.NaN, ...moving },
      /flags is NaN, no sum of NP_OPS/,
    ],
    ['no flags', moving, /flags is undefined, no sum of NP_OPS_\* bits \(0: none\)/],
    ['half a bit', { flags: 1.5 }, /flags is 1.5/],
    ['an error number', { flags: -EINVAL }, /flags is -22/],
    ['no function', { flags: 0, free_folio: true }, /free_folio is no function/],
  ];

  test.for(wrong)('%s', ([, ops, message]) => {
    const { nodes, hotplug } = machineOf();
    hotplug.add_private_memory_driver_managed(C, np, null);
    expect(() => nodes.node_private_set_ops(C, untyped(ops))).toThrow(message);
    expect(nodes.opsOf(C)).toBe(null);
  });

  test('a class may have methods of its own, and bits that nobody knows are accepted', () => {
    class Fine {
      readonly flags = 0x100 | (1 << 31);
      scrub(): void {}
      memoryFailure(): void {}
      memory_failure(): void {
        this.scrub();
        this.memoryFailure();
      }
    }
    const { nodes, hotplug } = machineOf();
    hotplug.add_private_memory_driver_managed(C, np, null);
    expect(nodes.node_private_set_ops(C, new Fine())).toBe(0);
  });

  test('capabilities too', () => {
    const { nodes } = machineOf(1, { profile: 'v5-caps' });
    const register = () => nodes.node_private_register(C, { ...np, caps: Number.NaN });
    expect(register).toThrow(
      'careless: the capabilities of the node are no sum of bits: caps is NaN. ' +
        'Give caps a sum of NODE_PRIVATE_CAP_* bits, or leave it out for none.',
    );
  });
});

test('nodes that do not exist are an error of the call', () => {
  const { nodes, hotplug, machine } = machineOf();
  const range = { base: 0, pages: 32768 } as const;
  expect([
    ...[-1, 77, Number.NaN].map((nid) => nodes.node_private_register(nid, np)),
    nodes.node_private_unregister(77),
    hotplug.add_private_memory_driver_managed(77, np, null),
    hotplug.add_private_range(77, np, { ...range, onlineType: 'online' }),
    hotplug.offline_and_remove_private_memory(77),
    hotplug.offline_and_remove_private_range(77, range),
  ]).toEqual([-EINVAL, -EINVAL, -EINVAL, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL]);
  machine.verify();
});

test('a driver before its services is told which plugin it lacks', () => {
  const driver: Plugin = {
    name: 'early bird',
    probe: (services) => {
      services.get(NodePrivateToken);
    },
  };
  const nodes = [{ id: 0, pages: 1024, cpus: 1 }];
  expect(() => createMachine({ seed: 1, nodes }, [driver])).toThrow(/early bird: .*NodePrivate/s);
});
