/** Stories of the mends that change what files say of the node, and of two others. */
import { GFP_HIGHUSER_MOVABLE, type Machine } from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  type Mends,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_RECLAIM,
} from '@mm-lab/node-private';
import { nodeOf } from './kit.ts';
import { BINDING, bound, C, D, grouped, moved, PAGES, scene, touched } from './mend-scene.ts';

interface Told {
  readonly machine: Machine;
  readonly figure: number;
}

const NODE_FILES = '/sys/devices/system/node';

/** Pages that smaps counts and numa_maps does not, on a node that policies may name. */
export function numaMaps(mends: Mends): Told {
  const { machine } = scene(mends, BINDING);
  const task = machine.createTask('task');
  task.mmap(0, PAGES);
  bound(machine, task);
  touched(task);
  const lines = machine.numaMaps.lines(task.struct).join('\n');
  const shown = [...lines.matchAll(/ N\d+=(\d+)/g)].reduce(
    (sum, [, pages]) => sum + +(pages ?? 0),
    0,
  );
  return { machine, figure: task.mm.rss - shown };
}

/** Anonymous pages that memory.stat counts for a group and memory.numa_stat does not. */
export function numaStat(mends: Mends): Told {
  const { machine } = scene(mends, NP_OPS_MIGRATION);
  const { task, group } = grouped(machine, PAGES);
  task.movePages(
    Array.from({ length: PAGES }, (_, vpn) => vpn),
    C,
  );
  const line = (file: string): string => /^anon (.*)$/m.exec(String(group.read(file)))?.[1] ?? '';
  const shown = line('memory.numa_stat')
    .split(' ')
    .reduce((sum, word) => sum + Number(word.split('=')[1]), 0);
  return { machine, figure: (Number(line('memory.stat')) - shown) / 4096 };
}

/** Nodes of has_normal_memory that has_memory does not list. */
export function normalMemory(mends: Mends): Told {
  const { machine } = scene(mends, NP_OPS_MIGRATION);
  const listed = (name: string): Set<number> => nodesOf(machine, name);
  const all = listed('has_memory');
  return {
    machine,
    figure: [...listed('has_normal_memory')].filter((nid) => !all.has(nid)).length,
  };
}

function nodesOf({ pseudoFiles }: Machine, name: string): Set<number> {
  const ranges = String(pseudoFiles.read(`${NODE_FILES}/${name}`))
    .trim()
    .split(',');
  return new Set(
    ranges.flatMap((range) => {
      const [from = 0, to = from] = range.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, at) => from + at);
    }),
  );
}

/** The nearest target has room for a few pages only. Page numbers are ages: the first is oldest. */
export function demotionOrder(mends: Mends): Told {
  const flags = NP_OPS_MIGRATION | NP_OPS_DEMOTION | NP_OPS_RECLAIM;
  const { machine, startKswapd } = scene(mends, flags, flags);
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  for (let at = 0; at < 900; at++) {
    const gfp = GFP_HIGHUSER_MOVABLE | GFP_PRIVATE;
    held.push(machine.zoneAlloc.alloc({ gfp, order: 0, nid: C, nodemask: null }));
  }
  startKswapd(C);
  const { task, group } = grouped(machine, 256);
  group.write('memory.reclaim', '1024K');
  machine.spend();
  const nodes = Array.from({ length: 256 }, (_, vpn) => nodeOf(machine, task, vpn));
  const oldestOnC = nodes.indexOf(C);
  const inverted = nodes.filter((nid, vpn) => nid === D && oldestOnC >= 0 && vpn > oldestOnC);
  return { machine, figure: inverted.length };
}

/** Complaints while the memory goes first and CRAM after it. */
export function lateClear(mends: Mends): Told {
  const { machine, cram, hotplug, warned } = scene(mends, 'cram');
  moved(machine, PAGES);
  hotplug.offline_and_remove_private_memory(C);
  cram?.cram_unregister_private_node(C);
  machine.spend();
  return { machine, figure: warned() };
}
