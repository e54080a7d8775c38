export { __GFP_PRIVATE, GFP_PRIVATE } from './gfp.js';
export { GATES, type GateName } from './isolation/gates.js';
export { GfpPrivate } from './isolation/gfp-private.js';
export { PrivateZonelist } from './isolation/private-zonelist.js';
export { Scope } from './isolation/scope.js';
export { ThisNode } from './isolation/thisnode.js';
export {
  NodePrivate,
  type NodePrivateInfo,
  type NodePrivateOps,
  NodePrivateToken,
} from './node-private.js';
export {
  NP_FLAG_FACTS,
  NP_OPS_COMPACTION,
  NP_OPS_DEMOTION,
  NP_OPS_LONGTERM_PIN,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_OOM_ELIGIBLE,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
  type NpFlagFact,
} from './np-ops.js';
export { checkFlags, flagMistake, grantsOf, opsMistakes } from './opt-ins.js';
export { type NodePrivateOptions, nodePrivate } from './plugin.js';
export {
  type OnlineType,
  PrivateHotplug,
  PrivateHotplugToken,
  type PrivateRange,
} from './private-hotplug.js';
