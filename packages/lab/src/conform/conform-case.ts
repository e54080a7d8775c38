import type { Json, JsonObject } from './json.js';

/** A case with what it needs to run: plain data, so that a worker can be handed it. */
export type ConformCase = RecordCase | SyscallCase | ScenarioCase | SkippedCase;

/** A scenario that a kernel was recorded doing. */
export interface RecordCase {
  readonly kind: 'record';
  readonly id: string;
  readonly family: string;
  readonly kase: Json;
  /** Null: nobody recorded it; it is run, and not judged. */
  readonly record: Json;
  /** Cases that its boot ran before it, as far as they have to do with what it uses. */
  readonly earlier: readonly Json[];
  /** What the kernel said about the machine (`_topology.json`). */
  readonly topology: JsonObject;
  /** How the machine was described to the emulator (`machines.json`). */
  readonly description: JsonObject;
}

/** A system call with what must hold after it. */
export interface SyscallCase {
  readonly kind: 'syscall';
  readonly id: string;
  readonly family: string;
  readonly kase: Json;
  /** The machine it runs on, out of the file's header. */
  readonly machine: JsonObject;
}

/** Who drives the test device of a scenario. */
export const BACKENDS = ['zone-device', 'device-coherent'] as const;
export type Backend = (typeof BACKENDS)[number];

/** A scenario of the kernel's HMM self-test, in one of its variants. */
export interface ScenarioCase {
  readonly kind: 'scenario';
  readonly id: string;
  readonly family: string;
  readonly kase: Json;
  readonly variant: string;
  readonly backend: Backend;
}

/** A case that this run can't judge, and why. */
export interface SkippedCase {
  readonly kind: 'skipped';
  readonly id: string;
  readonly family: string;
  readonly reason: string;
}
