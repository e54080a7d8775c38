export { checkFlags, flagMistake } from './flags.js';
export {
  NodePrivate,
  type NodePrivateInfo,
  type NodePrivateOps,
  NodePrivateToken,
} from './node-private.js';
export { type NodePrivateOptions, nodePrivate } from './plugin.js';
export {
  type OnlineType,
  PrivateHotplug,
  PrivateHotplugToken,
  type PrivateRange,
} from './private-hotplug.js';
