export { contentsOf } from './contents.js';
export { driverChecks } from './driver/checks.js';
export { describeDriver, type TestRunner } from './driver/describe-driver.js';
export type { DriverCheck, DriverFault, DriverUnderTest } from './driver/driver-under-test.js';
export { type Leak, type LeakSearch, leakSearch } from './driver/isolation.js';
export { obligationMistakes } from './driver/obligations.js';
export { everySize, pagesOfEverySize } from './fuzz/every-size.js';
export {
  FuzzFailure,
  type FuzzOptions,
  type FuzzReport,
  fuzzMachine,
} from './fuzz/fuzz-machine.js';
export { auditMachine, type OpenedPages } from './fuzz/invariants.js';
export type { FuzzOperation } from './fuzz/operation.js';
export { UNKNOWN } from './fuzz/side-model.js';
export { TaskModel, WINDOW_PAGES } from './fuzz/task-model.js';
export { type Allowances, FuzzWorld, type PageOf } from './fuzz/world.js';
export { Peek } from './peek.js';
