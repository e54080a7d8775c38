import { returned } from '../result.js';
import type { MachineOp } from './op.js';

export const sysWriteOp: MachineOp = {
  acts: 'machine',
  fields: ['path', 'value'],
  run: (step, guest) => {
    const path = step.text('path', '');
    guest.undo.note(path, guest.machine.pseudoFiles.read(path));
    return returned(guest.writeFile(path, step.text('value', ''), null));
  },
};

export const sysReadOp: MachineOp = {
  acts: 'machine',
  fields: ['path'],
  run: (step, guest) => {
    const text = guest.readFile(step.text('path', ''));
    return typeof text === 'number' ? returned(text) : { value: firstLine(text) };
  },
};

export function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
