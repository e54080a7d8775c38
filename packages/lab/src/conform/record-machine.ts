import type { MachineConfig, NodeConfig } from '@mm-lab/mm-core';
import { isObject, type JsonObject, numberAt, objectAt, textAt } from './json.js';

/** Pages in a KiB, upside down. */
const KIB_PER_PAGE = 4;

/**
 * The machine that a recorded kernel described: its nodes with their zones, distances, CPUs and
 * latencies. Seeds are all the same: nothing recorded depends on chance.
 */
export function recordMachine(topology: JsonObject): MachineConfig {
  const nodes = Object.entries(objectAt(topology, 'nodes')).filter(([, node]) => isObject(node));
  return {
    seed: 1,
    nodes: nodes.map(([id, node]) => nodeOf(Number(id), isObject(node) ? node : {})),
    distances: nodes.map(([, node]) => textAt(node, 'distance').split(' ').map(Number)),
  };
}

function nodeOf(id: number, node: JsonObject): NodeConfig {
  const pages = Math.floor(numberAt(node, 'MemTotal_kB') / KIB_PER_PAGE);
  const lineNs = numberAt(node, 'read_latency');
  return {
    id,
    pages,
    cpus: cpusIn(textAt(node, 'cpus')),
    movable: 'Movable' in objectAt(node, 'zones'),
    ...(lineNs > 0 ? { lineNs } : {}),
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
