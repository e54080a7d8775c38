import { PAGE_SIZE } from '@mm-lab/mm-core';
import type { Region } from '../../guest.js';
import type { Json, JsonObject } from '../../json.js';
import { NO_REGION } from '../../result.js';
import type { TaskOp } from '../op.js';

/** Lines of numa_maps that begin in a region, taken apart at the spaces. */
export const numaMapsOp: TaskOp = {
  acts: 'task',
  fields: ['r'],
  run: (step, task, guest) => {
    const region = task.region(step.text('r', 'A'));
    if (region === undefined) return NO_REGION;
    guest.machine.proc.open(task.task.struct);
    const lines = guest.machine.numaMaps.lines(task.task.struct);
    return { vmas: lines.flatMap((line) => lineIn(line, region)) };
  },
};

function lineIn(line: string, region: Region): JsonObject[] {
  const [start = '', policy = '', ...words] = line.split(' ');
  const offset = Number.parseInt(start, 16) - region.addr;
  if (offset < 0 || offset >= region.length) return [];
  const fields = Object.fromEntries(words.map(fieldOf));
  return [{ page: Math.floor(offset / PAGE_SIZE), policy, ...fields }];
}

/** `name=value`, the value a number as atol reads one; a word without a value counts as 1. */
function fieldOf(word: string): [string, Json] {
  const [name = '', value] = word.split('=');
  if (value === undefined) return [name, 1];
  return [name, name === 'file' ? value : Number.parseInt(value, 10) || 0];
}
