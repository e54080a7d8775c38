import {
  createMachine,
  diskSwap,
  FolioTableToken,
  MADV_PAGEOUT,
  MemoryTiersToken,
  MIGRATE_ASYNC,
  MigrateToken,
  type Plugin,
  PTE_WRITE,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  GFP_PRIVATE,
  NodePrivateToken,
  NP_OPS_MIGRATION,
  NP_OPS_PROTECT_WRITE,
  nodePrivate,
  PrivateHotplugToken,
} from '../src/index.js';

/** A write-protected private node that takes what move_pages gives it. */
const fenced: Plugin = {
  name: 'fenced',
  probe(services) {
    const table = services.get(FolioTableToken);
    const zoneAlloc = services.get(ZoneAllocToken);
    const np = { name: 'fenced' };
    services.get(PrivateHotplugToken).add_private_memory_driver_managed(1, np, null);
    services.get(NodePrivateToken).node_private_set_ops(1, {
      flags: NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE,
      folio_migrate: () => undefined,
      migrate_to: (list, nid, _mode, reason) =>
        services.get(MigrateToken).migratePages(list, {
          mode: MIGRATE_ASYNC,
          reason,
          newFolio: (src) => {
            const order = table.order[src] ?? 0;
            return zoneAlloc.alloc({ gfp: GFP_PRIVATE, order, nid, nodemask: null });
          },
        }).rc,
    });
    services.get(MemoryTiersToken).refresh();
  },
};

/** Is a page that was in the swap cache when it moved to the node mapped writable by a swap-in? */
function becomesWritable(swapIn: 'v4' | 'mended'): boolean {
  const machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: 0, pages: 1024, cpus: 1 },
        { id: 1, pages: 1024, online: false },
      ],
    },
    [diskSwap({ pages: 1 }), nodePrivate({ swapIn }), fenced],
  );
  const parent = machine.createTask('parent');
  parent.mmap(0, 1);
  parent.write(0);
  parent.madvise(0, 1, MADV_PAGEOUT);
  const child = parent.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  parent.read(0);
  expect(parent.movePages([0], 1)).toEqual({ rc: 0, status: [1] });
  machine.folios.lruAddDrainAll();
  parent.exit();
  child.read(0);
  const slot = machine.ptes.find(child.mm.id, 0);
  expect(machine.nodes.nidOf(machine.ptes.value[slot]!)).toBe(1);
  machine.verify();
  return (machine.ptes.bits[slot]! & PTE_WRITE) !== 0;
}

test('v4 maps a page of the swap cache writable on a fenced node', () => {
  expect(becomesWritable('v4')).toBe(true);
});

test('mended: the fence holds for swap-ins too', () => {
  expect(becomesWritable('mended')).toBe(false);
});
