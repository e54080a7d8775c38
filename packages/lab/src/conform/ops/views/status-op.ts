import { StepError } from '../../step.js';
import type { TaskOp } from '../op.js';

/** Fields of /proc/PID/status. */
export const statusOp: TaskOp = {
  acts: 'task',
  fields: ['fields'],
  run: (step, task, { machine }) => {
    machine.proc.open(task.task.struct);
    return Object.fromEntries(
      step.texts('fields').map((name) => {
        const text = machine.proc.status.field(task.task.struct, name);
        if (text === undefined) throw new StepError(`no field ${name} of status`);
        return [name, text];
      }),
    );
  },
};
