/**
 * What the experiments of this folder share: a machine with DRAM and a compressing device, guarded
 * by CRAM or by nobody, and programs whose pages have sizes that are given or recorded.
 */
import {
  type CompressionOptions,
  type CxlCompressOptions,
  cxlCompressDevice,
  cxlCompression,
  cxlSysram,
} from '@mm-lab/backend-cxl-compress';
import { type Cram, type CramOptions, CramToken, cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import {
  type CompressingDevice,
  createMachine,
  DemotionToken,
  deviceToken,
  diskSwap,
  type Machine,
  type MachineConfig,
  type NodeConfig,
  type PageData,
  type Plugin,
  replay,
  type Services,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import { type NodePrivateOptions, nodePrivate } from '@mm-lab/node-private';
import { contentsOf, Peek } from '@mm-lab/testkit';
import {
  capturedPages,
  openTrace,
  type PageTrace,
  readCapture,
  type ShippedTraceName,
  shippedTrace,
} from '@mm-lab/workloads';
import { bytes, nodeOf, writer } from '../node/kit.ts';

export { bytes, MENDED_FOR_CRAM, writer };

export const DRAM = 0;
export const DEVICE = 1;

/** A machine of the lab; whatever is left out is small and harmless. */
export interface CramLabOptions {
  /** Default 2048. */
  readonly dramPages?: number;
  /** Pages that the device promises. Default 2048. */
  readonly devicePages?: number;
  /** Bytes that it has. Default: as many as it promises, so that nothing can overflow. */
  readonly capacityBytes?: number;
  readonly device?: Partial<CxlCompressOptions>;
  /**
   * Options of its driver. Default: CRAM zeroes what is freed at once, because the flush pipeline
   * is a question of its own (row 29).
   */
  readonly driver?: Partial<CompressionOptions>;
  /** Who looks after the device's node. Default 'cram'. */
  readonly guard?: 'cram' | 'nobody';
  /** Options of `nodePrivate()`; default `MENDED_FOR_CRAM`. */
  readonly nodePrivate?: NodePrivateOptions;
  /** Options of `cram()`; default as posted. */
  readonly cram?: CramOptions;
  /** Contents of pages; default those of `sizedPages(() => 1024)`. */
  readonly contents?: PageData;
  /** Swap; default none. */
  readonly swap?: { readonly kind: 'disk' | 'zram'; readonly pages: number };
  readonly cpus?: number;
  /** Nodes beside DRAM and the device, from 2 on. */
  readonly nodes?: readonly NodeConfig[];
  readonly sysctl?: MachineConfig['sysctl'];
  readonly cost?: MachineConfig['cost'];
  /** Instead of `cram()`, the device and its driver: what guards the device another way. */
  readonly guards?: readonly Plugin[];
  /** Plugins behind all others. */
  readonly plugins?: readonly Plugin[];
}

export interface CramLab {
  readonly machine: Machine;
  readonly device: CompressingDevice;
  /** Null where nobody guards the node. */
  readonly cram: Cram | null;
  readonly services: Services;
}

/** A machine with DRAM on node 0 and the device on node 1, plugged and guarded. */
export function cramLab(options: CramLabOptions = {}): CramLab {
  const { dramPages = 2048, devicePages = 2048, guard = 'cram', swap } = options;
  const peek = new Peek();
  const machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: DRAM, pages: dramPages, cpus: options.cpus ?? 1 },
        { id: DEVICE, pages: devicePages, online: false, movable: true },
        ...(options.nodes ?? []),
      ],
      sysctl: { demotion_enabled: true, ...options.sysctl },
      ...(options.cost && { cost: options.cost }),
    },
    [
      contentsOf(options.contents ?? sizedPages(() => 1024)),
      cxlCompressDevice({
        logicalPages: devicePages,
        capacityBytes: options.capacityBytes ?? bytes(devicePages),
        ...options.device,
      }),
      ...(options.guards ?? guardsOf(guard, options)),
      ...(swap === undefined ? [] : [swapOf(swap)]),
      ...(options.plugins ?? []),
      peek,
    ],
  );
  const { services } = peek;
  const device = services.get(deviceToken(options.device?.name ?? 'cxl0'));
  const isCram = options.guards === undefined && guard === 'cram';
  return { machine, device, services, cram: isCram ? services.get(CramToken) : null };
}

function guardsOf(guard: 'cram' | 'nobody', options: CramLabOptions): readonly Plugin[] {
  if (guard === 'nobody') return [cxlSysram({ nid: DEVICE })];
  const { nodePrivate: rules = MENDED_FOR_CRAM, driver } = options;
  const scrubAtOnce = { flush: 'none', teardown: 'evacuate-first' } as const;
  const compression = cxlCompression({ nid: DEVICE, ...scrubAtOnce, ...driver });
  return [nodePrivate(rules), cram(options.cram), compression];
}

/** DRAM alone, whose swap is compressed. */
export interface CompressedSwap {
  /** In a pool before a disk, or in a device of its own. */
  readonly kind: 'zswap' | 'zram';
  readonly codec: string;
  readonly contents: PageData;
  readonly dramPages: number;
  readonly swapPages: number;
}

/** A machine that has compressed swap instead of the device. */
export function compressedSwap(options: CompressedSwap): Machine {
  const { kind, codec, contents, dramPages, swapPages: pages } = options;
  const enabled = kind === 'zswap';
  return createMachine(
    {
      seed: 1,
      nodes: [{ id: DRAM, pages: dramPages, cpus: 1 }],
      zswap: { enabled, compressor: codec, max_pool_percent: 100 },
    },
    [contentsOf(contents), enabled ? diskSwap({ pages }) : zramSwap({ pages, codec })],
  );
}

function swapOf({ kind, pages }: { kind: 'disk' | 'zram'; pages: number }): Plugin {
  return kind === 'disk' ? diskSwap({ pages }) : zramSwap({ pages, codec: 'lz4' });
}

/**
 * Pages that take so many bytes after a store: the size is given and no codec runs, so that a bound
 * can be checked exactly. Give whole sectors of 64 bytes, or they are rounded up.
 * @param sizeOf 0..4096 (0: a page of zeros), of page `vpn` after the store `version`
 */
export function sizedPages(
  sizeOf: (vpn: number, version: number, progress: number) => number,
): PageData {
  return {
    keyOf: (vpn, version, progress) => sizeOf(vpn, version, progress),
    render: (key, out) => out.fill(key % 251),
    compressedSize: (key) => key,
  };
}

/** Contents of a program that was really run; pages it did not have take those of others of it. */
export async function recordedPages(name: ShippedTraceName): Promise<PageData> {
  const { core, sizes, description } = shippedTrace(name);
  return capturedPages(await readCapture({ core, sizes, description }), { seed: 1 });
}

/** The first rows of the page trace of a program that was really run. */
export function recordedTrace(name: ShippedTraceName, rows: number): Promise<PageTrace> {
  return openTrace(shippedTrace(name).trace, { limitRows: rows });
}

/** A task that runs a trace from an empty address space. @returns how it ended */
export function playTrace(lab: CramLab, trace: PageTrace): { task: Task; end: string } {
  const task = lab.machine.createTask(trace.name);
  const { end } = replay(lab.machine, task, trace);
  return { task, end };
}

/**
 * Demotes pages of a task by the path of reclaim (demote_folio_list), these and in this order,
 * whoever used them last. @returns how many went
 */
export function demote(
  lab: Pick<CramLab, 'machine' | 'services'>,
  task: Task,
  vpns: readonly number[],
): number {
  const moved = demoteAtOnce(lab, task, vpns);
  lab.machine.spend();
  return moved;
}

/** The same, and the time that it took is left in `machine.work` for the caller to spend. */
export function demoteAtOnce(
  { machine, services }: Pick<CramLab, 'machine' | 'services'>,
  task: Task,
  vpns: readonly number[],
): number {
  // The drain is ours, so that any page can be taken, and costs nothing.
  machine.folios.lruAddDrainAll();
  machine.work.take();
  machine.work.runAs(task.struct);
  const list: number[] = [];
  for (const vpn of vpns) {
    const slot = machine.ptes.find(task.mm.id, vpn);
    const folio = slot < 0 ? -1 : machine.table.head(machine.ptes.value[slot] ?? -1);
    if (nodeOf(machine, task, vpn) !== DRAM || list.includes(folio)) continue;
    if (machine.folios.isolateLru(folio)) list.push(folio);
  }
  machine.work.enterMemalloc();
  const moved = services.get(DemotionToken).demoteFolioList(list, DRAM);
  machine.work.leaveMemalloc();
  for (const folio of list) machine.folios.putbackLru(folio);
  return moved;
}

/** A task that has written so many pages, all of which were demoted to the device. */
export function onDevice(
  lab: Pick<CramLab, 'machine' | 'services'>,
  name: string,
  pages: number,
): Task {
  const task = writer(lab.machine, name, pages);
  const moved = demote(lab, task, pageRange(pages));
  if (moved !== pages) throw new Error(`${moved} of ${pages} pages went to the device`);
  return task;
}

/** How many of these pages of a task are on a node. */
export function pagesOn(lab: CramLab, task: Task, vpns: Iterable<number>, nid: number): number {
  let there = 0;
  for (const vpn of vpns) if (nodeOf(lab.machine, task, vpn) === nid) there++;
  return there;
}

/** Counters of the machine that moved while `run` ran. */
export function during(lab: CramLab, run: () => void): Readonly<Record<string, number>> {
  const before = lab.machine.stats();
  run();
  const after = lab.machine.stats();
  return Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]),
  );
}

/**
 * Calls `look` every `everyNs` of simulated time until `stop` is called, from an event of the
 * clock: look and do not touch.
 */
export function watch(lab: CramLab, everyNs: number, look: (nowNs: number) => void): () => void {
  const { clock } = lab.machine;
  let isOn = true;
  const tick = (): void => {
    if (!isOn) return;
    look(clock.now);
    clock.after(everyNs, tick);
  };
  tick();
  return () => {
    isOn = false;
  };
}

/** So many page numbers from `from` on. */
export function pageRange(pages: number, from = 0): readonly number[] {
  return Array.from({ length: pages }, (_, at) => from + at);
}

/** Rounded to so many digits behind the point. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
