import {
  createMachine,
  type Machine,
  ManagedToken,
  type Plugin,
  type Services,
  Sites,
} from '@mm-lab/mm-core';
import { nodePrivate, PrivateHotplugToken } from '@mm-lab/node-private';
import { describe, expect, test } from 'vitest';
import { leakSearch } from '../../src/index.js';

/** Two ordinary nodes with a private one between them, nearest to both. */
function machineWith(extra: (services: Services) => void = () => undefined): Machine {
  const driver: Plugin = {
    name: 'driver',
    probe(services) {
      const hotplug = services.get(PrivateHotplugToken);
      const rc = hotplug.add_private_memory_driver_managed(1, { name: 'driver' }, null);
      if (rc < 0) throw new Error(`add: ${rc}`);
      extra(services);
    },
  };
  return createMachine(
    {
      seed: 1,
      nodes: [
        { id: 0, pages: 300, cpus: 1 },
        { id: 1, pages: 2000, online: false },
        { id: 2, pages: 500, cpus: 1, movable: true },
      ],
      distances: [
        [10, 11, 40],
        [11, 10, 11],
        [40, 11, 10],
      ],
    },
    [nodePrivate(), driver],
  );
}

// Policies, cpusets, daemons and calls are varied by the property test of node-private.
describe('X10: no allocation without __GFP_PRIVATE lands on a private node', () => {
  test('over flags, orders, masks, pressure and hotplug', () => {
    expect(leakSearch(() => machineWith(), { rounds: 40, requests: 400 })).toBe(null);
  });

  test('and programs that need more than all ordinary memory do not get there either', () => {
    const machine = machineWith();
    const task = machine.createTask('greedy');
    task.mmap(0, 3000);
    for (let vpn = 0; vpn < 3000 && task.alive; vpn++) task.write(vpn);
    expect([machine.usedPages(1), machine.zoneAlloc.leakedAllocations, task.alive]).toEqual([
      0,
      0,
      false,
    ]);
    machine.verify();
  });

  test('without the gate at the zonelist walk a leak is found within a second', () => {
    const site = Sites.index('page_alloc.get_page_from_freelist');
    const open = (services: Services): void => {
      const managed = services.get(ManagedToken);
      const asked = managed.numa_zone_alloc_allowed.bind(managed);
      managed.numa_zone_alloc_allowed = (at, nid, gfp) => at === site || asked(at, nid, gfp);
    };
    const leak = leakSearch(() => machineWith(open), { rounds: 40, requests: 400 });
    expect(leak?.landedOn).toBe(1);
  }, 1000);
});
