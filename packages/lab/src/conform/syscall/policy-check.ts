import type { Json, JsonObject } from '../json.js';
import type { CaseWorld } from './case-world.js';
import { policyOut } from './policy-calls.js';

const MPOL_F_ADDR = 2;
const MAXNODE = 1024;

/** The policy of an area, or of the task, as get_mempolicy(2) tells it. */
export function policyAt(world: CaseWorld, at: Json | undefined): JsonObject {
  const isTask = typeof at === 'string' && /^(\w+:)?task$/.test(at);
  const name = typeof at === 'string' ? /^(\w+):task$/.exec(at)?.[1] : undefined;
  const place = isTask ? { task: world.task(name), addr: 0 } : world.place(at);
  const { struct } = place.task.task;
  world.machine.work.runAs(struct);
  const { rc, value, nodes } = world.machine.sys.getMempolicy.getMempolicy(struct, {
    policy: 'good',
    nodemask: 'good',
    maxnode: MAXNODE,
    addr: place.addr,
    flags: isTask ? 0 : MPOL_F_ADDR,
  });
  if (rc < 0) return { rc };
  return policyOut(
    value,
    [...nodes].sort((a, b) => a - b),
  );
}
