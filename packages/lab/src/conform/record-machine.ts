import {
  type AccessCoordinate,
  type Machine,
  type MachineConfig,
  type NodeConfig,
  ZONE_NAMES,
  type ZoneConfig,
} from '@mm-lab/mm-core';
import { isObject, type JsonObject, numberAt, objectAt, textAt } from './json.js';

/** The first page above 4 GiB: this small a machine has only plugged memory there. */
const FIRST_PLUGGED_PFN = 2 ** 20;
const AUTO_ONLINE_BLOCKS = '/sys/devices/system/memory/auto_online_blocks';
const MIN_FREE_KBYTES = '/proc/sys/vm/min_free_kbytes';

/**
 * The machine that a recorded kernel described: its nodes with their zones at their page numbers,
 * distances, CPUs and HMAT's numbers, and the reserve that the boot left. Seeds are all the same:
 * nothing recorded depends on chance.
 */
export function recordMachine(topology: JsonObject): MachineConfig {
  const nodes = Object.entries(objectAt(topology, 'nodes')).filter(([, node]) => isObject(node));
  const minFree = Number(textAt(objectAt(topology, 'baseline'), MIN_FREE_KBYTES));
  return {
    seed: 1,
    sysctl: { lru_gen: 7, thp_enabled: 'madvise', osrelease: osreleaseOf(topology) },
    nodes: nodes.map(([id, node]) => nodeOf(Number(id), isObject(node) ? node : {})),
    distances: nodes.map(([, node]) => textAt(node, 'distance').split(' ').map(Number)),
    ...(minFree > 0 ? { bootMinFreeKbytes: minFree } : {}),
  };
}

/** Whose behaviour it is, of those that the model knows apart. */
function osreleaseOf(topology: JsonObject): '6.18' | '7.3' {
  return textAt(topology, 'release').startsWith('6.') ? '6.18' : '7.3';
}

/** What the recorder sets before its cases and leaves so. */
export function writeBaseline({ pseudoFiles }: Machine, topology: JsonObject): void {
  pseudoFiles.write('/proc/sys/vm/compaction_proactiveness', '0');
  const autoOnline = textAt(objectAt(topology, 'baseline'), AUTO_ONLINE_BLOCKS);
  pseudoFiles.write(AUTO_ONLINE_BLOCKS, autoOnline);
}

function nodeOf(id: number, node: JsonObject): NodeConfig {
  const zones = Object.entries(objectAt(node, 'zones'));
  const perf = perfOf(node);
  return {
    id,
    pages: 0,
    cpus: cpusIn(textAt(node, 'cpus')),
    zones: zones.map(([name, zone]) => zoneOf(name, isObject(zone) ? zone : {})),
    ...(perf.read_latency > 0 ? { perf } : {}),
  };
}

/**
 * Pages on per-CPU lists are free as well. Which CPU has them is not told: the recorder begins on
 * the first, which would use them up, so the last one does.
 */
function zoneOf(name: string, zone: JsonObject): ZoneConfig {
  const startPfn = numberAt(zone, 'start_pfn');
  return {
    type: ZONE_NAMES.findIndex((known) => String(known) === name),
    startPfn,
    spanned: numberAt(zone, 'spanned'),
    present: numberAt(zone, 'present'),
    managed: numberAt(zone, 'managed'),
    free: numberAt(zone, 'free') + numberAt(zone, 'pcp_count'),
    stocked: numberAt(zone, 'pcp_count'),
    hotplugged: startPfn >= FIRST_PLUGGED_PFN,
  };
}

function perfOf(node: JsonObject): AccessCoordinate {
  return {
    read_latency: numberAt(node, 'read_latency'),
    write_latency: numberAt(node, 'write_latency'),
    read_bandwidth: numberAt(node, 'read_bandwidth'),
    write_bandwidth: numberAt(node, 'write_bandwidth'),
  };
}

/** Number of CPUs in a list such as `0-1,4`. */
function cpusIn(list: string): number {
  if (list === '') return 0;
  return list.split(',').reduce((sum, part) => {
    const [from, to] = part.split('-').map(Number);
    return sum + ((to ?? from ?? 0) - (from ?? 0) + 1);
  }, 0);
}
