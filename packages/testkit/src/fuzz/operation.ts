import type { TaskModel } from './task-model.js';
import type { FuzzWorld } from './world.js';

/** Something a fuzz step may do. Drivers add their own to `fuzzMachine`. */
export interface FuzzOperation {
  readonly name: string;
  /** Drawn in every run, however the swarm falls. */
  readonly always?: boolean;
  /** How often it is drawn before the swarm weights it, against 1. */
  readonly weight?: number;
  /**
   * Does it, on the machine and on the model, and compares. @returns its arguments, for the log of
   * a failure
   */
  run(world: FuzzWorld, model: TaskModel): string;
}
