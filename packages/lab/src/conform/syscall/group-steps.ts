import { isArray, type Json, type JsonObject, objectAt, textAt } from '../json.js';
import type { CaseWorld } from './case-world.js';
import { createGroup, writeGroupFile } from './groups.js';
import { DONE, type Reply, replyOf } from './reply.js';
import type { StepFunction } from './steps.js';

/** Steps about control groups. */
export const GROUP_STEPS: Readonly<Record<string, StepFunction>> = {
  cpuset: writeMems,
  cpuset_try: writeMems,
  memcg: (step, world) => {
    const group = textAt(step, 'group', 'm');
    createGroup(world, group);
    let last = DONE;
    for (const [file, value] of Object.entries(objectAt(step, 'set'))) {
      const rc = writeGroupFile(world, group, file, String(value));
      if (rc < 0) last = replyOf(rc);
    }
    return last;
  },
};

function writeMems(step: JsonObject, world: CaseWorld): Reply {
  const group = textAt(step, 'group', 'g');
  createGroup(world, group);
  return replyOf(writeGroupFile(world, group, 'cpuset.mems', nodeList(step.mems)));
}

/** Nodes as the file takes them: `0,2`. */
function nodeList(mems: Json | undefined): string {
  return isArray(mems) ? mems.map(String).join(',') : String(mems ?? '');
}
