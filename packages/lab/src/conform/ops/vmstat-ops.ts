import type { Guest } from '../guest.js';
import type { Json } from '../json.js';
import type { Step } from '../step.js';
import type { MachineOp } from './op.js';

/** Remembers every counter of /proc/vmstat. */
export const vmstatBeginOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (_step, guest) => {
    guest.vmstat.clear();
    for (const [name, value] of vmstat(guest)) guest.vmstat.set(name, value);
    return { ret: 0 };
  },
};

/** What the counters that a step names have grown by since. */
export const vmstatEndOp: MachineOp = {
  acts: 'machine',
  fields: ['fields', 'zeros'],
  run: (step, guest) => {
    const zeros = step.int('zeros', 1) !== 0;
    const shown: [string, Json][] = [];
    for (const [name, value] of vmstat(guest)) {
      const grown = value - (guest.vmstat.get(name) ?? 0);
      if (isListed(step, name) && (grown !== 0 || zeros)) shown.push([name, grown]);
    }
    return Object.fromEntries(shown);
  },
};

function vmstat({ machine }: Guest): [string, number][] {
  return Object.entries(machine.vmstat());
}

/** A name of the list, or one with a star that begins it. */
function isListed(step: Step, name: string): boolean {
  return step
    .texts('fields')
    .some((field) => (field.endsWith('*') ? name.startsWith(field.slice(0, -1)) : field === name));
}
