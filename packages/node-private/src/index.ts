export { checkFlags, flagMistake } from './flags.js';
export {
  NodePrivate,
  type NodePrivateInfo,
  type NodePrivateOps,
  NodePrivateToken,
} from './node-private.js';
export { type NodePrivateOptions, nodePrivate } from './plugin.js';
export { PrivateHotplug, PrivateHotplugToken } from './private-hotplug.js';
