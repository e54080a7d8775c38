import type { Json } from '../json.js';
import { returned } from '../result.js';
import type { Step } from '../step.js';
import { firstLine } from './file-ops.js';
import type { MachineOp } from './op.js';

const FOLDER = '/sys/fs/cgroup';

export const cgCreateOp: MachineOp = {
  acts: 'machine',
  fields: ['cg'],
  run: (step, guest) => {
    const rc = guest.machine.cgroups.mkdir(step.text('cg', 'g'));
    if (rc === 0) guest.undo.groups.push(step.text('cg', 'g'));
    return returned(rc);
  },
};

export const cgWriteOp: MachineOp = {
  acts: 'machine',
  fields: ['cg', 'file', 'value'],
  run: (step, guest) =>
    returned(guest.writeFile(pathOf(step, step.text('file', '')), step.text('value', ''), null)),
};

/** The first line of a file, or with `keys` the values of its lines. */
export const cgReadOp: MachineOp = {
  acts: 'machine',
  fields: ['cg', 'file', 'keys'],
  run: (step, guest) => {
    const text = guest.readFile(pathOf(step, step.text('file', '')));
    if (typeof text === 'number') return returned(text);
    if (!step.has('keys')) return { value: firstLine(text) };
    return Object.fromEntries(text.split('\n').flatMap((line) => keyed(step, line)));
  },
};

export const cgAttachOp: MachineOp = {
  acts: 'machine',
  fields: ['cg'],
  run: (step, guest) => {
    const task = guest.find(step.text('p', 'p0'));
    if (task === undefined) return { error: 'no task' };
    const pid = String(task.task.struct.pid);
    return returned(guest.writeFile(pathOf(step, 'cgroup.procs'), pid, null));
  },
};

function pathOf(step: Step, file: string): string {
  return `${FOLDER}/${step.text('cg', 'g')}/${file}`;
}

/** A line whose first word is asked for: a number, or the rest of the line if it has more. */
function keyed(step: Step, line: string): [string, Json][] {
  const space = line.indexOf(' ');
  if (space < 0) return [];
  const key = line.slice(0, space);
  const rest = line.slice(space + 1);
  if (!isAskedFor(step, key)) return [];
  return [[key, rest.includes('=') ? rest : Number.parseInt(rest, 10) || 0]];
}

function isAskedFor(step: Step, key: string): boolean {
  return step
    .texts('keys')
    .some((name) => (name.endsWith('*') ? key.startsWith(name.slice(0, -1)) : name === key));
}
