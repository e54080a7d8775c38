export {
  FuzzFailure,
  type FuzzOptions,
  type FuzzReport,
  fuzzMachine,
} from './fuzz/fuzz-machine.js';
export { auditMachine } from './fuzz/invariants.js';
export type { FuzzOperation } from './fuzz/operation.js';
export { TaskModel, UNKNOWN, WINDOW_PAGES } from './fuzz/task-model.js';
export { type Allowances, FuzzWorld, type PageOf } from './fuzz/world.js';
