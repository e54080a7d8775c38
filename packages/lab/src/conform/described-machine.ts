import {
  type MachineConfig,
  type NodeConfig,
  ZONE_DMA,
  ZONE_DMA32,
  ZONE_NORMAL,
  type ZoneConfig,
} from '@mm-lab/mm-core';
import { isObject, type Json, type JsonObject, listAt, numberAt } from './json.js';

const PAGES_PER_MB = 256;

/** What a PC has below 16 MiB: holes at both ends, and what the boot keeps. */
const DMA = { type: ZONE_DMA, startPfn: 1, spanned: 4095, present: 3998, managed: 3840 };
const DMA_END = 4096;

/** Pages that a page of the memory map describes: 64 bytes each. */
const PAGES_PER_MAP_PAGE = 64;

/**
 * Megabytes per second by latency. The description has latencies only; these are the pairs that the
 * recorder's machines use (`bw` beside `lat` in `machines.json`), taken over by latency; 400 has
 * none there and lies between its neighbours. Nothing in the records of these machines depends on
 * more than their order: it decides tiers.
 */
const BANDWIDTH_BY_LATENCY: Readonly<Record<number, number>> = {
  100: 10240,
  250: 5120,
  400: 4096,
  800: 2048,
};

/**
 * Pages of a boot node that the small kernel of these machines keeps for itself and its maps.
 * Fitted, not derived: 768 MiB need 3072 pages of memory map, and the rest (about 15 MiB) stands
 * for the kernel's image and what the boot keeps. No record tells the number of managed pages; the
 * amounts that depend on it are compared with a tolerance.
 */
const BOOT_PAGES_KEPT = 7000;

/** A machine that was described to the emulator, of which no kernel's view was recorded. */
export interface DescribedMachine {
  readonly config: MachineConfig;
  /** Node at the end of memory, where the firmware leaves what it loaded; -1 if it is in use. */
  readonly leftoversNid: number;
}

/**
 * The machine of a description: nodes side by side from address 0 on; those with reserved memory
 * have none before it is plugged.
 */
export function describedMachine(description: JsonObject): DescribedMachine {
  const nodes: NodeConfig[] = [];
  let end = 0;
  let leftoversNid = -1;
  for (const node of listAt(description, 'nodes')) {
    const reserved = numberAt(node, 'reserved_mb') * PAGES_PER_MB;
    const pages = reserved + numberAt(node, 'mb') * PAGES_PER_MB;
    const id = numberAt(node, 'id');
    leftoversNid = reserved > 0 ? id : -1;
    nodes.push({
      id,
      pages: 0,
      cpus: listAt(node, 'cpus').length,
      perf: perfOf(node),
      online: reserved === 0,
      zones: reserved > 0 ? [reservedZone(end, pages)] : bootZones(end, pages),
    });
    end += pages;
  }
  const distances = distancesOf(description);
  const config: MachineConfig = {
    seed: 1,
    sysctl: { lru_gen: 7, thp_enabled: 'madvise', osrelease: '7.0' },
    nodes,
    distances,
    bootMinFreeKbytes: 0,
  };
  return { config, leftoversNid };
}

function reservedZone(startPfn: number, pages: number): ZoneConfig {
  return { type: ZONE_NORMAL, startPfn, spanned: pages, hotplugged: true };
}

function bootZones(startPfn: number, pages: number): ZoneConfig[] {
  if (startPfn > 0) {
    const managed = pages - pages / PAGES_PER_MAP_PAGE;
    return [{ type: ZONE_DMA32, startPfn, spanned: pages, managed }];
  }
  const spanned = pages - DMA_END;
  const managed = spanned - BOOT_PAGES_KEPT;
  return [DMA, { type: ZONE_DMA32, startPfn: DMA_END, spanned, managed }];
}

function perfOf(node: Json) {
  const latency = numberAt(node, 'lat', 100);
  const bandwidth = BANDWIDTH_BY_LATENCY[latency] ?? 2048;
  return {
    read_latency: latency,
    write_latency: latency,
    read_bandwidth: bandwidth,
    write_bandwidth: bandwidth,
  };
}

/** Those of the description; without any, memory is nearer to the CPUs than to other memory. */
function distancesOf(description: JsonObject): (readonly number[])[] {
  const rows = listAt(description, 'dist');
  if (rows.length > 0) return rows.map(numbers);
  const nodes = listAt(description, 'nodes');
  const hasCpus = (node: Json): boolean => listAt(node, 'cpus').length > 0;
  return nodes.map((from) => {
    return nodes.map((to) => (from === to ? 10 : hasCpus(from) || hasCpus(to) ? 20 : 30));
  });
}

function numbers(row: Json): readonly number[] {
  const list = isObject(row) || !Array.isArray(row) ? [] : row;
  return list.filter((item) => typeof item === 'number');
}
