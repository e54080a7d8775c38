import {
  createMachine,
  diskSwap,
  FolioTableToken,
  KswapdToken,
  MemoryTiersToken,
  MIGRATE_ASYNC,
  MigrateToken,
  type Plugin,
  PTE_TYPE_SWAP,
  PTE_WRITE,
  pteType,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  GFP_PRIVATE,
  NodePrivateToken,
  NP_OPS_MIGRATION,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
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
      flags: NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE | NP_OPS_RECLAIM,
      folio_migrate: () => undefined,
      reclaim_policy: (_nid, policy) => {
        policy.may_swap = true;
        policy.may_writepage = true;
        policy.managed_watermarks = true;
      },
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
    services.get(KswapdToken).start(1);
  },
};

/**
 * Is a page that reclaim of the node unmapped, and could not write, mapped writable by a swap-in?
 * zswap has no room for its group, which may not use the disk behind it.
 */
function becomesWritable(swapIn: 'v4' | 'mended'): boolean {
  const machine = createMachine(
    {
      seed: 1,
      zswap: { enabled: true },
      nodes: [
        { id: 0, pages: 1024, cpus: 1 },
        { id: 1, pages: 1024, online: false },
      ],
    },
    [diskSwap({ pages: 64 }), nodePrivate({ swapIn }), fenced],
  );
  const { cgroups, pseudoFiles } = machine;
  const task = machine.createTask('task');
  cgroups.writeSubtreeControl(cgroups.root, '+memory');
  cgroups.mkdir('g');
  for (const [file, text] of Object.entries({
    'cgroup.procs': String(task.struct.pid),
    'memory.zswap.max': '0',
    'memory.zswap.writeback': '0',
  })) {
    expect(pseudoFiles.write(`/sys/fs/cgroup/g/${file}`, text)).toBe(0);
  }
  const vpns = [...Array(64).keys()];
  task.mmap(0, vpns.length);
  for (const vpn of vpns) task.write(vpn);
  expect(task.movePages(vpns, 1)).toEqual({ rc: 0, status: vpns.map(() => 1) });
  machine.folios.lruAddDrainAll();
  const [zone] = machine.nodes.pgdat(1).zones;
  if (zone !== undefined) zone.watermarkBoost = zone.managedPages;
  machine.zoneAlloc.wakeupKswapd(1, 0);
  machine.sleep(1e9);
  const slot = machine.ptes.find(task.mm.id, 0);
  expect(pteType(machine.ptes.bits[slot]!)).toBe(PTE_TYPE_SWAP);
  task.read(0);
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
