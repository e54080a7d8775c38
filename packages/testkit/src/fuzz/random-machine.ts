import {
  diskSwap,
  type MachineConfig,
  type NodeConfig,
  type Plugin,
  type Prng,
  type Sysctl,
  zramSwap,
} from '@mm-lab/mm-core';

const DISTANCES = [11, 15, 20, 21, 31, 40] as const;
const LINES_NS = [100, 110, 180, 250, 400, 1000] as const;

/** Share of the mixed machines that are this many times as large. */
const LARGE_SHARE = 0.3;
const LARGE_SCALE = 4;

/** A small machine of up to four nodes, one of them with memory and a CPU. */
export function randomNodes(random: Prng): NodeConfig[] {
  const count = 1 + random.below(4);
  return Array.from({ length: count }, (_, id) => ({
    id: id === 0 ? 0 : id * (1 + (random.chance(0.1) ? 5 : 0)),
    pages: id === 0 ? 300 + random.below(900) : random.below(700),
    cpus: id === 0 ? 1 + random.below(3) : random.below(3),
    movable: id > 0 && random.chance(0.3),
    online: id === 0 || random.chance(0.8),
    lineNs: random.pick(LINES_NS),
  }));
}

/** The same, some of them so large that huge pages fit. */
export function randomMixedNodes(random: Prng): NodeConfig[] {
  const nodes = randomNodes(random);
  if (!random.chance(LARGE_SHARE)) return nodes;
  return nodes.map((node) => ({ ...node, pages: LARGE_SCALE * node.pages }));
}

/** A machine of these nodes with random distances and tunables. */
export function randomConfig(random: Prng, nodes: readonly NodeConfig[]): MachineConfig {
  return {
    seed: random.uint32() | 0,
    nodes,
    distances: randomDistances(random, nodes.length),
    sysctl: randomSysctl(random),
  };
}

/** Swap on zram, on a disk, or none; small, so that it fills up. */
export function randomSwap(random: Prng): readonly Plugin[] {
  const kind = random.below(3);
  const pages = 1 + random.below(2048);
  if (kind === 0) return [];
  return kind === 1 ? [diskSwap({ pages })] : [zramSwap({ pages, codec: 'lz4' })];
}

function randomDistances(random: Prng, nodes: number): number[][] {
  const rows = Array.from({ length: nodes }, () => new Array<number>(nodes).fill(10));
  rows.forEach((row, from) => {
    for (let to = from + 1; to < nodes; to++) {
      const distance = random.pick(DISTANCES);
      row[to] = distance;
      const back = rows[to];
      if (back !== undefined) back[from] = distance;
    }
  });
  return rows;
}

function randomSysctl(random: Prng): Partial<Sysctl> {
  return {
    // The model of a program knows no limit of commitments.
    overcommit_memory: 1,
    swappiness: random.pick([0, 1, 60, 100, 200]),
    min_free_kbytes: random.pick([0, 64, 256]),
    watermark_scale_factor: random.pick([1, 10, 100, 500]),
    demotion_enabled: random.chance(0.5),
    thp_order: random.chance(0.5) ? 0 : random.below(6),
  };
}
