import {
  createMachine,
  type Machine,
  type MachineConfig,
  N_MEMORY_PRIVATE,
  type NodeConfig,
  type Plugin,
} from '@mm-lab/mm-core';
import type { FuzzOperation } from '../fuzz/operation.js';

/** A fault that the driver must survive: an interrupt that never comes, a refused command … */
export interface DriverFault {
  readonly name: string;
  /** Plugins of a machine in which it happens, made anew at each call. */
  plugins(): readonly Plugin[];
  /** May contents be lost then? Default no. Stale or leaked contents never. */
  readonly mayLose?: boolean;
}

/** A driver with what the kit needs to exercise it. */
export interface DriverUnderTest {
  readonly name: string;
  /** The plugins of one machine, the driver among them, made anew at each call. */
  plugins(): readonly Plugin[];
  /** Nodes of the machine: ordinary memory with a CPU first, then those that the driver takes. */
  readonly nodes: readonly NodeConfig[];
  /** Tunables that the driver needs; default: demotion is enabled. */
  readonly sysctl?: MachineConfig['sysctl'];
  /** What the driver's users can ask of it, for the fuzzer. */
  readonly operations?: readonly FuzzOperation[];
  /** Is the driver allowed to lose contents (an unguarded device)? Default no. */
  readonly mayLose?: boolean;
  readonly faults?: readonly DriverFault[];
  /** Steps of each fuzz run; default 300. */
  readonly steps?: number;
  /** Seeds of the fuzz runs; default 1 to 8. */
  readonly seeds?: readonly number[];
}

/** One thing a driver must do. It throws when the driver does not. */
export interface DriverCheck {
  readonly name: string;
  run(): void;
}

/** A machine with the driver on it. */
export function machineWith(driver: DriverUnderTest, plugins = driver.plugins()): Machine {
  const sysctl = { demotion_enabled: true, ...driver.sysctl };
  return createMachine({ seed: 1, nodes: driver.nodes, sysctl }, plugins);
}

/** Nodes with private memory. */
export function privateNodes(machine: Machine): number[] {
  return machine.nodes.inState(N_MEMORY_PRIVATE);
}

/** Pages in use by node. */
export function usedPages(machine: Machine): Record<number, number> {
  return Object.fromEntries(
    [...machine.nodes.all()].map(({ nid }) => [nid, machine.usedPages(nid)]),
  );
}

/** Lets the driver's timers run: drains LRU batches and moves the clock by a simulated second. */
export function settle(machine: Machine): void {
  for (let round = 0; round < SETTLE_ROUNDS; round++) {
    machine.folios.lruAddDrainAll();
    machine.spend();
    machine.clock.advance(SETTLE_NS);
  }
}

const SETTLE_ROUNDS = 10;
const SETTLE_NS = 1e8;
