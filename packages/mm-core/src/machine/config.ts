import { MAX_NUMNODES } from '../abi/zone.js';
import { MmError } from '../hooks/errors.js';
import type { AccessCoordinate } from '../mem/pgdat.js';
import type { CostOptions } from '../mm/cost-model.js';
import type { Sysctl } from '../mm/sysctl.js';
import { checkZswap, type ZswapParams } from '../mm/zswap-params.js';
import { checkLayout, nodeSpan, type ZoneConfig } from './zone-config.js';

/** One node of the machine. */
export interface NodeConfig {
  /** 0..63. */
  readonly id: number;
  /** Pages of 4 KiB that it has, or can have when it is plugged; not read if `zones` is given. */
  readonly pages: number;
  /** Its zones at their page numbers; default one zone of `pages`, behind the nodes before it. */
  readonly zones?: readonly ZoneConfig[];
  /** CPUs on it; default 0. */
  readonly cpus?: number;
  /**
   * False: the node is possible but has no memory before somebody plugs it: all of it at once, or,
   * if its zone is `hotplugged`, memory block by memory block. Default true.
   */
  readonly online?: boolean;
  /** Its memory is ZONE_MOVABLE instead of ZONE_NORMAL. Default false. */
  readonly movable?: boolean;
  /** Latency of one line in nanoseconds; default that of local DRAM in the cost table. */
  readonly lineNs?: number;
  /** Bandwidth of copies in bytes per nanosecond; default that of DRAM in the cost table. */
  readonly bytesPerNs?: number;
  /** What HMAT says of it from the nearest initiator: sets its tier and interleave weight. */
  readonly perf?: AccessCoordinate;
  /** Abstract distance, instead of one computed from `perf` or `lineNs`. */
  readonly adistance?: number;
}

/** A machine before it is built. */
export interface MachineConfig {
  /** Seed of everything random. */
  readonly seed: number;
  readonly nodes: readonly NodeConfig[];
  /** One row per node in the order of `nodes`, 10 on the diagonal; default 20 elsewhere. */
  readonly distances?: readonly (readonly number[])[];
  /** Tunables by kernel name; the rest has Linux's defaults. */
  readonly sysctl?: Partial<Sysctl>;
  /**
   * vm.min_free_kbytes as the boot left it (khugepaged raises it while a part of memory is still
   * to be freed); default the kernel's formula. The first hotplug computes it anew.
   */
  readonly bootMinFreeKbytes?: number;
  readonly cost?: CostOptions;
  /** Parameters of zswap by kernel name; it is off unless they say otherwise. */
  readonly zswap?: Partial<ZswapParams>;
}

/** Refuses machines that cannot exist. @throws MmError */
export function checkConfig(config: MachineConfig): void {
  const online = config.nodes.filter((node) => node.online !== false && nodeSpan(node) > 0);
  if (online.length === 0) throw new MmError('MACHINE_NO_MEMORY');
  for (const node of config.nodes) checkNode(node);
  const ids = new Set(config.nodes.map((node) => node.id));
  if (ids.size !== config.nodes.length) {
    const twice = config.nodes.find((node, at) =>
      config.nodes.some((other, before) => before < at && other.id === node.id),
    );
    throw new MmError('MACHINE_DUPLICATE_NODE', { detail: `node ${twice?.id} stands twice` });
  }
  if (!config.nodes.some((node) => (node.cpus ?? 0) > 0)) throw new MmError('MACHINE_NO_CPU');
  checkLayout(config.nodes);
  if (config.distances !== undefined) checkDistances(config.distances, config.nodes.length);
  if (!Number.isInteger(config.seed)) {
    throw new MmError('MACHINE_BAD_OPTION', { detail: `seed ${config.seed} is not an integer` });
  }
  checkSysctl(config.sysctl ?? {});
  checkZswap(config.zswap ?? {});
}

/** Distances by node id, from rows in the order of the nodes. */
export function distancesById(config: MachineConfig, from: number): number[] {
  const byId = new Array<number>(MAX_NUMNODES).fill(254);
  config.nodes.forEach((node, at) => {
    const given = config.distances?.[from]?.[at];
    byId[node.id] = given ?? (at === from ? 10 : 20);
  });
  return byId;
}

function checkNode(node: NodeConfig): void {
  const bad = (detail: string): MmError =>
    new MmError('MACHINE_BAD_NODE', { detail: `node ${node.id}: ${detail}` });
  if (!Number.isInteger(node.id) || node.id < 0 || node.id >= MAX_NUMNODES) throw bad('id');
  if (!Number.isInteger(node.pages) || node.pages < 0) throw bad(`pages is ${node.pages}`);
  const cpus = node.cpus ?? 0;
  if (!Number.isInteger(cpus) || cpus < 0) throw bad(`cpus is ${cpus}`);
  if (node.lineNs !== undefined && !(node.lineNs > 0)) throw bad(`lineNs is ${node.lineNs}`);
  if (node.bytesPerNs !== undefined && !(node.bytesPerNs > 0)) {
    throw bad(`bytesPerNs is ${node.bytesPerNs}`);
  }
}

function checkDistances(rows: readonly (readonly number[])[], nodes: number): void {
  const bad = (detail: string): MmError => new MmError('MACHINE_BAD_DISTANCES', { detail });
  if (rows.length !== nodes) throw bad(`${rows.length} rows for ${nodes} nodes`);
  rows.forEach((row, at) => {
    if (row.length !== nodes) throw bad(`row ${at} has ${row.length} numbers, not ${nodes}`);
    row.forEach((distance, to) => {
      const right = at === to ? distance === 10 : distance > 10 && distance < 255;
      if (!right || !Number.isInteger(distance)) throw bad(`${distance} from ${at} to ${to}`);
    });
  });
}

function checkSysctl(sysctl: Partial<Sysctl>): void {
  const within = (name: keyof Sysctl, low: number, high: number): void => {
    const value = sysctl[name];
    if (value === undefined) return;
    const number = Number(value);
    if (!Number.isInteger(number) || number < low || number > high) {
      throw new MmError('MACHINE_BAD_OPTION', {
        detail: `${name} is ${String(value)}, not a whole number from ${low} to ${high}`,
      });
    }
  };
  within('swappiness', 0, 200);
  within('min_free_kbytes', 0, 2 ** 31);
  within('watermark_scale_factor', 1, 3000);
  within('thp_order', 0, 9);
  within('lru_gen', 0, 7);
}
