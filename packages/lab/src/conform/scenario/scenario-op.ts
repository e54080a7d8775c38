import { type Step, StepError } from '../step.js';
import type { Buffer } from './buffer.js';
import type { Observed } from './observed.js';
import type { ScenarioMachine } from './scenario-machine.js';
import type { ScenarioProcess } from './scenario-process.js';

/** The run of a scenario, as its ops see it. */
export interface RunContext {
  readonly on: ScenarioMachine;
  /** Parameters and what `let` and loops set. */
  readonly values: ReadonlyMap<string, number>;
  /** The child of the last fork. */
  readonly child: ScenarioProcess | null;
  /** A number or an expression of a step. */
  number(step: Step, key: string, otherwise: number, buffer?: Buffer | null): number;
  /** One of two words that a condition chooses. */
  word(text: string): string;
}

/** What an op works on. */
export interface OpContext {
  readonly step: Step;
  readonly process: ScenarioProcess;
  readonly observed: Observed;
  readonly run: RunContext;
}

export type ScenarioOp = (context: OpContext) => void;

/** The buffer that a step names. @throws StepError */
export function bufferOf({ step, process }: OpContext): Buffer {
  const name = step.text('buf', 'b');
  const found = process.buffers.get(name);
  if (found === undefined) throw new StepError(`there is no buffer ${name}`);
  return found;
}
