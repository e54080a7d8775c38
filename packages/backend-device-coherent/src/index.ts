export {
  type CoherentCounts,
  CoherentDriver,
  type MoveResult,
  type WhenFull,
} from './coherent-driver.js';
export { CoherentHandle, type HandleParts } from './coherent-handle.js';
export { ColdFolios } from './cold-folios.js';
export {
  type DeviceCoherentOptions,
  type DeviceCoherentPlugin,
  deviceCoherent,
} from './device-coherent.js';
export { rangeFolios } from './range-folios.js';
