export {
  CAP_FACTS,
  type CapFact,
  grantsOfCaps,
  NODE_PRIVATE_CAP_DEMOTION,
  NODE_PRIVATE_CAP_HOTUNPLUG,
  NODE_PRIVATE_CAP_LTPIN,
  NODE_PRIVATE_CAP_NUMA_BALANCING,
  NODE_PRIVATE_CAP_RECLAIM,
  NODE_PRIVATE_CAP_USER_NUMA,
} from './caps.js';
export {
  type BuildOption,
  type GateName,
  type Mending,
  NodePrivateConfig,
  type ProfileName,
} from './config.js';
export {
  DIVERGENCES,
  type DivergenceChoice,
  type DivergenceId,
  type DivergenceName,
  type Divergences,
  type Reading,
  readDivergences,
} from './divergences.js';
export { __GFP_PRIVATE, GFP_PRIVATE } from './gfp.js';
export { Interrupts, InterruptsToken } from './interrupts.js';
export { GATES } from './isolation/gates.js';
export { GfpPrivate } from './isolation/gfp-private.js';
export { PrivateZonelist } from './isolation/private-zonelist.js';
export { Scope } from './isolation/scope.js';
export { ThisNode } from './isolation/thisnode.js';
export { type Mends, policyRules, specialRules } from './mends.js';
export { movingOps } from './moving-ops.js';
export { type NamedCalls, namedCalls } from './named-calls.js';
export {
  type FaultOnFolio,
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
  PrivateHotplug,
  PrivateHotplugToken,
  type PrivateRange,
} from './private-hotplug.js';
