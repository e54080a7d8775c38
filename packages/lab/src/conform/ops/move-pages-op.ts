import { PAGE_SIZE } from '@mm-lab/mm-core';
import type { Guest, GuestTask } from '../guest.js';
import type { Json } from '../json.js';
import { flagSet, MBIND_FLAGS } from '../names.js';
import { errnoOf, NO_REGION, returned } from '../result.js';
import { runsOf } from '../runs.js';
import type { Step } from '../step.js';
import { pagesIn } from './frames.js';
import { RANGE, type TaskOp } from './op.js';

/** Entries of the recorder's arrays. */
const ENTRIES_MAX = 65_536;

export const movePagesOp: TaskOp = {
  acts: 'task',
  fields: [
    ...RANGE,
    ...['pages', 'nodes', 'flags', 'target', 'pid', 'count'],
    ...['bad_pages', 'bad_nodes', 'bad_status'],
  ],
  run: (step, task, guest) => {
    const pages = pagesOf(step, task);
    if (pages === undefined) return NO_REGION;
    const count = step.int('count', pages.length);
    const { addresses, nodes } = fill(step, guest, pages, count);
    const result = guest.call(task, (caller) =>
      guest.machine.sys.movePages.movePages(caller, {
        pid: guest.target(step),
        count,
        pages: step.int('bad_pages', 0) !== 0 ? 'bad' : addresses,
        nodes: step.int('bad_nodes', 0) !== 0 ? 'bad' : nodes,
        status: step.int('bad_status', 0) !== 0 ? 'bad' : 'good',
        flags: flagSet(MBIND_FLAGS, step.get('flags') ?? 'MOVE'),
      }),
    );
    const status = pages.map((_, at) => statusJson(result.status[at] ?? null));
    return { ...returned(result.rc), status: runsOf(status) };
  },
};

/** Addresses of a list of pages and ranges; undefined if a region is not there. */
function pagesOf(step: Step, task: GuestTask): number[] | undefined {
  const addresses: number[] = [];
  for (const item of step.items('pages')) {
    if (typeof item === 'number') {
      addresses.push(item);
      continue;
    }
    const range = task.range(item);
    if (range === undefined) return undefined;
    const { count } = pagesIn(range);
    const stride = item.int('stride', 1);
    for (let at = 0; at < count; at += stride) addresses.push(range.addr + at * PAGE_SIZE);
  }
  return addresses;
}

/**
 * The recorder's arrays: what this step does not write is there from an earlier one, and a count
 * beyond the list reads it.
 */
function fill(
  step: Step,
  guest: Guest,
  pages: readonly number[],
  count: number,
): { addresses: readonly number[]; nodes: readonly number[] | null } {
  const { addresses, nodes } = guest.scratch;
  for (const [at, address] of pages.entries()) addresses[at] = address;
  const given = step.numbers('nodes');
  const wanted = Math.max(given.length, given.length > 0 ? pages.length : 0);
  for (let at = 0; at < wanted; at++) nodes[at] = given[at % given.length] ?? 0;
  const end = count < 0 ? ENTRIES_MAX : Math.min(count, ENTRIES_MAX);
  const isList = Array.isArray(step.get('nodes'));
  const upTo = (array: readonly number[]): number[] =>
    Array.from({ length: end }, (_, at) => array[at] ?? 0);
  return { addresses: upTo(addresses), nodes: isList ? upTo(nodes) : null };
}

function statusJson(status: number | null): Json {
  return status !== null && status < 0 ? errnoOf(status) : status;
}
