import { __GFP_THISNODE, GFP_HIGHUSER_MOVABLE, type Machine } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { __GFP_PRIVATE, GATES, type GateName, GFP_PRIVATE, Scope } from '../src/index.js';
import { machineOf } from './support.js';

const PLAIN = GFP_HIGHUSER_MOVABLE;
const C = 2;
const D = 3;

function machineWith(gate: GateName): Machine {
  const { machine, hotplug } = machineOf(1, { gate });
  hotplug.add_private_memory_driver_managed(C, { name: 'c' }, null);
  hotplug.add_private_memory_driver_managed(D, { name: 'd' }, null);
  return machine;
}

/** Nodes of the pages that such requests get until nothing is left. */
function landing(machine: Machine, gfp: number, mask: number[] | null): string {
  const taken: number[] = [];
  const nodemask = mask === null ? null : new Set(mask);
  for (;;) {
    const pfn = machine.zoneAlloc.alloc({ gfp, order: 0, nid: C, nodemask });
    if (pfn < 0) break;
    taken.push(pfn);
  }
  const nodes = new Set(taken.map((pfn) => machine.nodes.nidOf(pfn)));
  for (const pfn of taken) machine.folios.put(pfn);
  machine.verify();
  return [...nodes].map((nid) => 'ABCD'[nid]).join(' ') || '–';
}

/** The author's table (spec 1.4), rows in his order, all with node C preferred. */
function table(gate: GateName): Record<string, string> {
  const machine = machineWith(gate);
  return {
    __GFP_PRIVATE: landing(machine, PLAIN | __GFP_PRIVATE, null),
    '__GFP_PRIVATE {C,D}': landing(machine, PLAIN | __GFP_PRIVATE, [C, D]),
    GFP_PRIVATE: landing(machine, PLAIN | GFP_PRIVATE, null),
    neither: landing(machine, PLAIN, null),
    'neither, THISNODE': landing(machine, PLAIN | __GFP_THISNODE, null),
    leaked: String(machine.zoneAlloc.leakedAllocations > 0),
  };
}

test('each gate gives the author’s table a shape of its own', () => {
  const names: GateName[] = ['gfp-private', 'thisnode', 'scope', 'private-zonelist'];
  expect(Object.keys(GATES).sort()).toEqual([...names].sort());
  expect(Object.fromEntries(names.map((gate) => [gate, table(gate)]))).toMatchInlineSnapshot(`
    {
      "gfp-private": {
        "GFP_PRIVATE": "C",
        "__GFP_PRIVATE": "C A B",
        "__GFP_PRIVATE {C,D}": "C",
        "leaked": "false",
        "neither": "A B",
        "neither, THISNODE": "–",
      },
      "private-zonelist": {
        "GFP_PRIVATE": "C",
        "__GFP_PRIVATE": "C D A B",
        "__GFP_PRIVATE {C,D}": "C D",
        "leaked": "false",
        "neither": "A B",
        "neither, THISNODE": "–",
      },
      "scope": {
        "GFP_PRIVATE": "C",
        "__GFP_PRIVATE": "C A B",
        "__GFP_PRIVATE {C,D}": "C",
        "leaked": "false",
        "neither": "A B",
        "neither, THISNODE": "–",
      },
      "thisnode": {
        "GFP_PRIVATE": "C",
        "__GFP_PRIVATE": "A B",
        "__GFP_PRIVATE {C,D}": "–",
        "leaked": "true",
        "neither": "A B",
        "neither, THISNODE": "C",
      },
    }
  `);
});

test('in a scope everything nested is let through, whoever asks', () => {
  const machine = machineWith('scope');
  const { isolation } = machine.managed;
  if (!(isolation instanceof Scope)) throw new Error('the gate is the scope');
  const thisNode = { gfp: PLAIN | __GFP_THISNODE, order: 0, nid: C, nodemask: null };
  expect(machine.zoneAlloc.alloc(thisNode)).toBe(-1);
  const nested = isolation.run(() => machine.zoneAlloc.alloc(thisNode));
  expect(machine.nodes.nidOf(nested)).toBe(C);
  expect(machine.zoneAlloc.leakedAllocations).toBe(1);
  machine.folios.put(nested);
  machine.verify();
});
