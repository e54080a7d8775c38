import type { Guest } from '../../guest.js';
import type { Json, JsonObject } from '../../json.js';
import type { Step } from '../../step.js';
import type { MachineOp } from '../op.js';

const FOLDER = '/sys/devices/system/node';
/** Files of a node in which the recorder looks for a field, in this order. */
const FILES = ['meminfo', 'numastat', 'vmstat'] as const;

/** Remembers fields of nodes. */
export const nodeBeginOp: MachineOp = {
  acts: 'machine',
  fields: ['nodes', 'fields'],
  run: (step, guest) => {
    guest.nodeStats.clear();
    for (const nid of step.numbers('nodes')) {
      for (const field of step.texts('fields')) {
        guest.nodeStats.set(`${nid} ${field}`, fieldOf(guest, nid, field));
      }
    }
    return { ret: 0 };
  },
};

/** Fields of nodes, or what they have grown by. */
export const nodeStatOp: MachineOp = {
  acts: 'machine',
  fields: ['nodes', 'fields', 'delta'],
  run: (step, guest) => {
    const nodes = step.numbers('nodes').map((nid) => [String(nid), statOf(step, guest, nid)]);
    return Object.fromEntries(nodes);
  },
};

function statOf(step: Step, guest: Guest, nid: number): JsonObject {
  const delta = step.int('delta', 0) !== 0;
  const shown: [string, Json][] = step.texts('fields').map((field) => {
    const before = delta ? (guest.nodeStats.get(`${nid} ${field}`) ?? 0) : 0;
    return [field, fieldOf(guest, nid, field) - before];
  });
  return Object.fromEntries(shown);
}

/** The number behind a field's name in a file of the node; -1 if there is none. */
function fieldOf(guest: Guest, nid: number, field: string): number {
  for (const file of FILES) {
    const text = guest.machine.pseudoFiles.read(`${FOLDER}/node${nid}/${file}`);
    if (typeof text === 'number') continue;
    for (const line of text.split('\n')) {
      const found = line.split(/[ :]+/);
      const at = found.indexOf(field);
      if (at >= 0) return Number.parseInt(found[at + 1] ?? '', 10) || 0;
    }
  }
  return -1;
}
