import { MPOL_DEFAULT, MPOL_LOCAL, MPOL_MAX } from '../abi/mempolicy.js';
import { N_MEMORY } from '../abi/node-states.js';
import { assert } from '../base/assert.js';
import { nodesAnd, nodesEqual } from '../mem/nodemask.js';
import type { Policy } from '../mem/policy.js';
import type { Machine } from './machine.js';

/** Rechecks policies, cpusets from the root down, and that tasks have the nodes of theirs. */
export function verifyPolicies(machine: Machine): void {
  const { cgroups, cpusets } = machine;
  for (const mm of machine.mms.all()) for (const { policy } of mm.vmas) verifyPolicy(policy);
  for (const group of cgroups.root.descendants()) {
    if (group.parent === null || !group.has('cpuset')) continue;
    const above = cpusets.effectiveMems(group.parent);
    const both = nodesAnd(cpusets.configuredMems(group), above);
    const wanted = both.size === 0 ? above : both;
    const effective = cpusets.effectiveMems(group);
    assert(nodesEqual(effective, wanted), `${group.path} has its own nodes or its parent's`);
  }
  for (const task of machine.tasks.all()) {
    verifyPolicy(task.policy);
    const group = cgroups.groupOf(task);
    const isListed = group === cgroups.root || group.tasks.has(task);
    assert(isListed, `task ${task.pid} is listed in its group ${group.path}`);
    const effective = cpusets.effectiveMems(group);
    const allowed = cpusets.memsAllowed(task);
    const hasOrdinary = machine.nodes.inState(N_MEMORY).some((nid) => effective.has(nid));
    const own = hasOrdinary ? allowed : nodesAnd(allowed, effective);
    assert(nodesEqual(own, effective), `task ${task.pid} may use the nodes of its cpuset`);
  }
}

function verifyPolicy(policy: Policy | null): void {
  if (policy === null) return;
  const { mode, nodes } = policy;
  assert(mode > MPOL_DEFAULT && mode < MPOL_MAX, 'a policy has a mode');
  assert((mode === MPOL_LOCAL) === (nodes.size === 0), 'a policy but the local one has nodes');
}
