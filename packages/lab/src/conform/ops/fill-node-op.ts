import { deathOf } from '../guest.js';
import { NO_REGION } from '../result.js';
import { vpnOf } from './frames.js';
import type { TaskOp } from './op.js';

const PAGE_BYTES = 4096;
const KIB_PER_PAGE = 4;
/** The recorder looks at the free memory before every so many pages. */
const LOOK_PAGES = 64;
/** What it stores. */
const WORD = 7;

/** Touches pages of a region, one by one, until its node has less free memory than asked for. */
export const fillNodeOp: TaskOp = {
  acts: 'task',
  fields: ['r', 'node', 'leave_kb'],
  run: (step, task, guest) => {
    const region = task.region(step.text('r', 'A'));
    if (region === undefined) return NO_REGION;
    const pgdat = guest.machine.nodes.pgdat(step.int('node', 0));
    const leave = step.int('leave_kb', 8192);
    const first = vpnOf(region.addr);
    const pages = Math.floor(region.length / PAGE_BYTES);
    let at = 0;
    for (; at < pages; at++) {
      if (at % LOOK_PAGES === 0 && pgdat.freePages() * KIB_PER_PAGE < leave) break;
      guest.words.word = WORD;
      if (task.task.write(first + at) === 'killed') {
        guest.kill(task);
        return deathOf(task.death ?? { signal: 'SIGKILL' });
      }
    }
    return { touched: at };
  },
};
