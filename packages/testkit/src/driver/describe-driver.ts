import { driverChecks } from './checks.js';
import type { DriverUnderTest } from './driver-under-test.js';

/** What the kit needs of a test runner; `{ describe, it }` of vitest, jest or node:test will do. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => void): unknown;
}

/** Registers every check of a driver with a test runner. */
export function describeDriver(runner: TestRunner, driver: DriverUnderTest): void {
  runner.describe(`${driver.name} keeps the rules of a driver`, () => {
    for (const check of driverChecks(driver)) runner.it(check.name, () => check.run());
  });
}
