import type { Json, JsonObject } from '../../json.js';
import { errnoOf, NO_REGION } from '../../result.js';
import { runsOf } from '../../runs.js';
import { pagesIn } from '../frames.js';
import { RANGE, type TaskOp } from '../op.js';

/** Above so many pages the runs are left out unless they are asked for. */
const RUNS_PAGES_MAX = 4096;
/** Node numbers and errors that the recorder counts. */
const NODES_MAX = 16;
const ERRNO_MAX = 200;

/** Node of each page by move_pages with null nodes. */
export const whereOp: TaskOp = {
  acts: 'task',
  fields: [...RANGE, 'runs'],
  run: (step, task) => {
    const range = task.range(step);
    if (range === undefined) return NO_REGION;
    const { first, count } = pagesIn(range);
    const nodes = task.task.where(Array.from({ length: count }, (_, at) => first + at));
    const showRuns = step.int('runs', count <= RUNS_PAGES_MAX ? 1 : 0) !== 0;
    return { ...(showRuns ? { nodes: runsOf(nodes) } : {}), by_node: byNode(nodes) };
  },
};

/** Nodes ascending, then errors by number. */
function byNode(nodes: readonly number[]): JsonObject {
  const counts = new Map<number, number>();
  for (const nid of nodes) {
    if (nid < NODES_MAX && nid > -ERRNO_MAX) counts.set(nid, (counts.get(nid) ?? 0) + 1);
  }
  const rank = (key: number): number => (key < 0 ? NODES_MAX - key : key);
  const sorted = [...counts].sort(([a], [b]) => rank(a) - rank(b));
  const named: [string, Json][] = sorted.map(([key, count]) => [
    key < 0 ? errnoOf(key) : String(key),
    count,
  ]);
  return Object.fromEntries(named);
}
